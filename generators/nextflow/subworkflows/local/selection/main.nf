// Runs the selections: what they chose stands in the store, where those that wait for it look.

include { READY } from '../ready'
include { TLIMB_SELECT } from '../../../modules/local/tlimb/select'

workflow SELECTION {
    take:
    step // name of the step
    tasks // all tasks
    links // all links
    done // ids of tasks of earlier steps that ended well

    main:
    READY(step, tasks, links, done)
    TLIMB_SELECT(READY.out.ready)

    emit:
    done = TLIMB_SELECT.out.done // ids of tasks
}
