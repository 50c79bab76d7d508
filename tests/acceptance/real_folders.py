"""Miniatures of folders as projects hand them out: their names, tables, headers and clutter, with few voxels."""

import json
from pathlib import Path

import nibabel
import numpy as np

HCP_COLUMNS = (
    "Subject,Release,Acquisition,Gender,Age,3T_Full_MR_Compl,T1_Count,T2_Count,3T_RS-fMRI_Count,"
    "MMSE_Score,PMAT24_A_CR,FS_IntraCranial_Vol,NEOFAC_A"
)
HCP_RESTRICTED = "Subject,Age_in_Yrs,HasGT,ZygositySR,ZygosityGT,Family_ID,Mother_ID,Father_ID,TestRetestInterval,Race"


def volume(path: Path, seed: int, affine: np.ndarray, shape=(26, 31, 26), code=4, brain=True) -> None:
    """Write a float32 volume with the code of its space in both forms, as FSL does."""
    dice = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij"))
    inside = (grid**2).sum(0) < 0.7
    voxels = np.where(inside, 600 + 200 * grid[2] + dice.normal(0, 40, shape), 0 if brain else 60).astype(np.float32)
    made = nibabel.Nifti1Image(voxels, affine)
    made.header.set_sform(affine, code)
    made.header.set_qform(affine, code)
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(made, path)


def hcp_structural(folder: Path, people: int = 12) -> list[str]:
    """Lay out the structural release: images, surfaces, logs, zip files and checksums, and both tables beside it."""
    # The release stores left to right as falling x: LAS.
    mni = np.array([[-7.0, 0, 0, 90], [0, 7, 0, -126], [0, 0, 7, -72], [0, 0, 0, 1]])
    ids = [str(100206 + 101 * k) for k in range(people)]
    free, kin = [HCP_COLUMNS], [HCP_RESTRICTED]
    for k, person in enumerate(ids):
        top = folder / person
        volume(top / "MNINonLinear" / "T1w_restore_brain.nii.gz", k, mni)
        volume(top / "MNINonLinear" / "T1w_restore.nii.gz", k, mni, brain=False)
        volume(top / "T1w" / "T1w_acpc_dc_restore_brain.nii.gz", 100 + k, mni, code=1)
        volume(top / "T1w" / "brainmask_fs.nii.gz", 200 + k, mni, code=1)
        volume(top / "MNINonLinear" / "brainmask_fs.nii.gz", 300 + k, mni)
        for clutter in (
            f"MNINonLinear/fsaverage_LR32k/{person}.L.midthickness.32k_fs_LR.surf.gii",
            f"MNINonLinear/{person}.164k_fs_LR.wb.spec",
            f"T1w/{person}/mri/aparc+aseg.mgz",
            "release-notes/Structural_preproc.txt",
        ):
            path = top / clutter
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("x")
        (folder / f"{person}_3T_Structural_preproc.zip").write_bytes(b"PK")
        (folder / f"{person}_3T_Structural_preproc.zip.md5").write_text("0")
        score = "" if k == 3 else str(29 - k % 3)
        age = ("22-25", "26-30", "31-35", "36+")[k % 4]
        free.append(f"{person},S1200,Q{k:02d},{'FM'[k % 2]},{age},true,1,1,4,{score},{15 + k % 8},{1.5e6 + k},{30 + k}")
        family = k // 2
        kin.append(
            f'{person},{22 + k},true,NotTwin, ,{51000 + family}_{family},{51000 + family},{80000 + family},,"White"'
        )
    # One more person than there are images: the table lists everybody.
    free.append("996782,S1200,Q06,F,26-30,false,0,0,0,29,20,1500000,30")
    (folder / "unrestricted_lab_4_9_2024_3_15_20.csv").write_text("\n".join(free) + "\n")
    (folder / "RESTRICTED_lab_4_9_2024_3_15_50.csv").write_text("\n".join(kin) + "\n")
    return ids


def hcp_series(folder: Path, ids: list[str], regions: int = 15) -> None:
    """Lay out the PTN release: four runs of 1200 time points, one after the other, in one text file a person."""
    place = folder / "node_timeseries" / f"3T_HCP1200_MSMAll_d{regions}_ts2"
    place.mkdir(parents=True)
    (folder / "groupICA" / f"groupICA_3T_HCP1200_MSMAll_d{regions}.ica").mkdir(parents=True)
    (folder / "subjectIDs.txt").write_text("\n".join(ids) + "\n")
    for k, person in enumerate(ids):
        rows = np.random.default_rng(k).normal(0, 30, (4800, regions))
        np.savetxt(place / f"{person}.txt", rows, fmt="%.6f", delimiter=" ")


def fmriprep(folder: Path, people: int = 12) -> None:
    """Lay out derivatives of fMRIPrep: images and masks in two spaces, confounds, reports, and a table of people."""
    ras = np.diag([8.0, 8, 8, 1])
    (folder / "logs").mkdir(parents=True)
    (folder / "dataset_description.json").write_text(
        json.dumps({"Name": "fMRIPrep", "BIDSVersion": "1.4.0", "DatasetType": "derivative"})
    )
    rows = ["participant_id\tage\tsex"]
    for k in range(people):
        person = f"sub-{k + 1:02d}"
        anat, func = folder / person / "anat", folder / person / "func"
        for space, code in (("_space-MNI152NLin2009cAsym_res-2", 4), ("", 1)):
            volume(anat / f"{person}{space}_desc-preproc_T1w.nii.gz", k, ras, (20, 24, 20), code, brain=False)
            volume(anat / f"{person}{space}_desc-brain_mask.nii.gz", 50 + k, ras, (20, 24, 20), code)
            volume(anat / f"{person}{space}_label-GM_probseg.nii.gz", 90 + k, ras, (20, 24, 20), code)
            (anat / f"{person}{space}_desc-preproc_T1w.json").write_text('{"SkullStripped": false}')
        func.mkdir()
        (func / f"{person}_task-rest_desc-confounds_timeseries.tsv").write_text("csf\n1\n")
        (folder / f"{person}.html").write_text("<html>")
        rows.append(f"{person}\t{20 + k}\t{'FM'[k % 2]}")
    (folder / "participants.tsv").write_text("\n".join(rows) + "\n")


def bids_sessions(folder: Path, people: int = 12) -> None:
    """Lay out a raw BIDS tree: two sessions with two runs each, sidecars, participants.json and sessions.tsv."""
    ras = np.diag([8.0, 8, 8, 1])
    rows = ["participant_id\tsex\thandedness"]
    for k in range(people):
        person = f"sub-{k + 1:03d}"
        visits = ["session_id\tage\tacq_time"]
        for number, session in enumerate(("ses-01", "ses-02")):
            for run in (1, 2):
                name = f"{person}_{session}_run-{run}_T1w"
                place = folder / person / session / "anat"
                volume(place / f"{name}.nii.gz", 10 * k + 2 * number + run, ras, (20, 24, 20), 1, brain=False)
                (place / f"{name}.json").write_text('{"MagneticFieldStrength": 3}')
            visits.append(f"{session}\t{30 + k + number}\t2020-01-0{number + 1}T10:00:00")
        (folder / person / f"{person}_sessions.tsv").write_text("\n".join(visits) + "\n")
        rows.append(f"{person}\t{'FM'[k % 2]}\t{'n/a' if k == 2 else 'right'}")
    (folder / "participants.tsv").write_text("\n".join(rows) + "\n")
    (folder / "participants.json").write_text(
        json.dumps({"sex": {"Description": "sex", "Levels": {"F": "female", "M": "male"}}, "handedness": {}})
    )
    (folder / "dataset_description.json").write_text(json.dumps({"Name": "Clinic", "BIDSVersion": "1.9.0"}))
    (folder / "README").write_text("x")
