// One selection on validation: which candidate of a row, and fold, is refitted and tested.

process TLIMB_SELECT {
    tag "${id}${task.ext.lost}"
    conda "${moduleDir}/../environment.yml"

    input:
    tuple val(id), path(manifest)

    output:
    val id, emit: done

    script:
    """
    tlimb select ${manifest} --task --quiet ${task.ext.args}
    """

    stub:
    """
    test -s ${manifest}
    """
}
