// One selection on validation: which candidate of a row, and fold, is refitted and tested.
// The file `ended` is there when it has said itself that all is well, as for a run.

process TLIMB_SELECT {
    tag "${id}${task.ext.lost}"
    conda "${moduleDir}/../environment.yml"

    input:
    tuple val(id), path(manifest)

    output:
    val id, emit: done
    path 'ended'

    script:
    """
    tlimb select ${manifest} --task --quiet ${task.ext.args}
    touch ended
    """

    stub:
    """
    test -s ${manifest}
    touch ended
    """
}
