// Run once when Nextflow is set up, so that Java can keep what it has loaded and starts sooner.

process FIRST {
    input:
    val word

    output:
    path 'said'

    script:
    """
    echo ${word} > said
    """
}

workflow {
    FIRST(channel.of('first')).collectFile(name: 'all').view { file -> file.name }
}
