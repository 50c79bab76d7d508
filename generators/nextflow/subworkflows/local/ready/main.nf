// Says which tasks of a step may start. A task has links to what it waits for; some must be done, others only settled:
// those count as settled, whatever became of them, when all earlier steps have ended.

workflow READY {
    take:
    step // name of the step
    tasks // all tasks: [step, id, manifest, links, must]
    links // all links: [step, task, parent, must, links]
    done // ids of tasks that ended well, of earlier steps

    main:
    mine = tasks.filter { task -> task.step == step }
    settled = links
        .filter { link -> link.step == step }
        .map { link -> [link.parent, link.task, link.must == 'yes', link.links as Integer] }
        .combine(done, by: 0)
        .map { _parent, task, must, count -> [groupKey(task, count), must] }
        .groupTuple(remainder: true)
        .map { key, musts -> [key.toString(), musts.count { must -> must }] }
    waited = mine
        .filter { task -> task.links > 0 }
        .map { task -> [task.id, task] }
        .join(settled, remainder: true)
        .filter { _id, task, met -> (met ?: 0) == task.must }
        .map { _id, task, _met -> task }
    ready = mine.filter { task -> task.links == 0 }.mix(waited).map { task -> [task.id, task.manifest] }

    emit:
    ready = ready // [id, manifest]
}
