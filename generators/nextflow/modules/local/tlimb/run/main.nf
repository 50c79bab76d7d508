// One run, or a pack of short ones. Results go to the store of `--places`, which knows what is done already.

process TLIMB_RUN {
    tag "${id}${task.ext.lost}"
    conda "${moduleDir}/../environment.yml"

    input:
    tuple val(id), path(manifest)

    output:
    tuple val(id), emit: done

    script:
    def seconds = task.time ? task.time.toSeconds() : 0
    def deadline = seconds ? "--deadline ${seconds - Math.min(120, seconds.intdiv(10))}" : ''
    """
    tlimb run ${manifest} --task --workers ${task.cpus} --quiet ${deadline} ${task.ext.args}
    """

    stub:
    """
    test -s ${manifest}
    """
}
