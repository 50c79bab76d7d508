// Runs the tasks of one step: its name is that of the alias, so that resources can be given to each step.

include { READY } from '../ready'
include { TLIMB_RUN } from '../../../modules/local/tlimb/run'

workflow STAGE {
    take:
    step // name of the step
    tasks // all tasks
    links // all links
    done // ids of tasks of earlier steps that ended well

    main:
    READY(step, tasks, links, done)
    TLIMB_RUN(READY.out.ready)

    emit:
    done = TLIMB_RUN.out.done // ids of tasks
}
