// One run, or a pack of short ones. Results go to the store of `--places`, which knows what is done already.
// The file `ended` is there when the run has said itself that all is well: where a shell gets SIGHUP, Nextflow's wrapper
// writes exit code 0 for it.

process TLIMB_RUN {
    tag "${id}${task.ext.lost}"
    conda "${moduleDir}/../environment.yml"

    input:
    tuple val(id), path(manifest)

    output:
    val id, emit: done
    path 'ended'

    script:
    def deadline = task.ext.slot ? "--deadline ${task.ext.slot}" : ''
    """
    tlimb run ${manifest} --task --workers ${task.cpus} --quiet ${deadline} ${task.ext.args}
    touch ended
    """

    stub:
    """
    test -s ${manifest}
    touch ended
    """
}
