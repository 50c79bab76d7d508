// One run, or a pack of short ones. Results go to the store of `--places`, which knows what is done already.

process TLIMB_RUN {
    tag "${id}${task.ext.lost}"
    conda "${moduleDir}/../environment.yml"

    input:
    tuple val(id), path(manifest)

    output:
    val id, emit: done

    script:
    def deadline = task.ext.slot ? "--deadline ${task.ext.slot}" : ''
    """
    tlimb run ${manifest} --task --workers ${task.cpus} --quiet ${deadline} ${task.ext.args}
    """

    stub:
    """
    test -s ${manifest}
    """
}
