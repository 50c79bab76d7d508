// The table of the study, with what is missing and why. It is made anew by each launch: what it shows lies in the store and
// in files of the plan, of which Nextflow sees neither the one nor the other change.

process TLIMB_RANK {
    tag "ranking${task.ext.lost}"
    cache false
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
