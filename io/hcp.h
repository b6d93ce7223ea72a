// io/hcp: the folders of the Human Connectome Project as a dataset.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "noema/io/confounds.h"
#include "noema/io/dataset.h"
#include "noema/io/events.h"

namespace noema {

/// Does a folder hold subjects of the HCP (`<subject>/MNINonLinear/Results`), or is it one of them?
bool is_hcp_folder(const std::filesystem::path& root);

/// The task runs of minimally preprocessed HCP data: `<subject>/MNINonLinear/Results/tfMRI_<TASK>_<LR|RL>/`.
///
/// Entities: sub, task (MOTOR …), run (LR or RL) and space: fsLR for the `_Atlas_MSMAll.dtseries.nii` (else
/// `_Atlas.dtseries.nii`), MNI152NLin6Asym for the volumes. Of a run that is there in both, volumes are taken unless
/// the query asks for fsLR. Masks are `brainmask_fs.2.nii.gz`, confounds `Movement_Regressors.txt`, events the folder
/// `EVs`; the TR is in the headers. Otherwise as `index_dataset`, which calls this where `is_hcp_folder`.
/// @throws as index_dataset; UsageError for a filter file, derivatives or a session
Dataset index_hcp(const std::filesystem::path& root, const DatasetQuery& query);

/// The events of a run from the three-column files (onset, duration, amplitude) of its folder `EVs`.
///
/// Labels by `label_column`: "trial_type" gives the states of a fixed table for each task: EMOTION fear, neut; GAMBLING
/// loss, neut, win (`*_event.txt`); LANGUAGE math, story; MOTOR lf, lh, rf, rh, t; RELATIONAL match, relation; SOCIAL
/// mental, other (by the subject's response, `*_resp.txt`); WM body, faces, places, tools (0-back and 2-back pooled).
/// "ev" gives one label for each file by its name (without Sync), for instance 0bk_body. Files that are not there or
/// empty (no such trial) are passed over. Source: the preparation of Thomas et al.; which volumes it gives these labels
/// is in `learn/hcp_windows.h` (`--windows hcp`).
/// @throws IoError; FormatError for rows that are not three numbers (names the line), or a negative duration; DataError
///         for a task without a table or no event at all; UsageError for another `label_column`
std::vector<Event> read_hcp_events(const std::filesystem::path& folder, const std::string& label_column);

/// `Movement_Regressors.txt` (translations in mm, rotations in degrees, their derivatives) under fMRIPrep's names and
/// units (rotations in radians), with the framewise displacement of Power et al. (2012; radius 50 mm).
/// @throws IoError; FormatError for rows that are not 12 numbers (names the line)
ConfoundTable read_movement_regressors(const std::filesystem::path& path);

}  // namespace noema
