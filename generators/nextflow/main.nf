#!/usr/bin/env nextflow

// Runs the plan beside this file: every training once, in the order in which they need each other, then the ranking.
// Nothing a study says is written in here. What is run stands in plan/, and where data and results lie in a file of
// this machine, `--places`; see README.md.

include { TRANSFER_LEARNING } from './workflows/transfer_learning'

workflow {
    if (!params.outdir) {
        error("say where the ranking goes: --outdir FOLDER")
    }
    if (!(params.places ==~ '/[A-Za-z0-9_./@+=-]+')) {
        error("${params.places} is no path of letters, digits and _ . / @ + = - only: move the project, or say --places")
    }
    if (!(params.binds ==~ '(/[A-Za-z0-9_./@+=-]+( /[A-Za-z0-9_./@+=-]+)*)?')) {
        error("--binds is absolute paths with a space between two, of letters, digits and _ . / @ + = - only")
    }
    if (!(params.allow ==~ '([A-Za-z_][A-Za-z0-9_.]*(,[A-Za-z_][A-Za-z0-9_.]*)*)?')) {
        error("--allow is module names with a comma between two")
    }
    TRANSFER_LEARNING(file(params.plan, type: 'dir', checkIfExists: true))
}
