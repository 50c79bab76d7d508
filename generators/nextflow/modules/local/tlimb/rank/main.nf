// The table of the study, with what is missing and why.

process TLIMB_RANK {
    tag "ranking${task.ext.lost}"
    conda "${moduleDir}/../environment.yml"

    input:
    path done
    path plan

    output:
    path 'ranking.*', emit: ranking

    script:
    """
    tlimb rank ${plan} --output . --allow-partial --no-pictures ${task.ext.args}
    """

    stub:
    """
    cp ${done} ranking.txt
    """
}
