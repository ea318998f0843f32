//! Kernel settings for a broker's host: shown, applied and taken back, each with its reason (`ringmq tune`).
//!
//! What is wanted is data, in `kernel-tuning/settings.toml`; the code here knows how to hold a machine against it. A
//! `Survey` is taken first and changes nothing; `apply` writes only what it found to differ.
//!
//! Always true: what an administrator set better stays; nothing is written before its old value is safe in the state
//! file; files are written only below names of our own; boot loader, flushes and barriers are not touched.
//!
//! - `settings`, `form`: the rows and their small forms; `rule`: when a value is as wanted
//! - `machine`, `tree`: what the rows are held against, on the real root or below `--root`
//! - `configured`, `limits`: what an administrator's files say; `survey`: all of it put together
//! - `apply`, `undo`, `status`, `state`, `own_files`: the deeds and what is remembered of them
//! - `script`: the same as plain sh; `deed`: what was done, in words; `report`: tables and JSON

mod apply;
mod configured;
mod deed;
mod form;
mod limits;
mod machine;
mod own_files;
mod report;
mod rule;
mod script;
mod settings;
mod state;
mod status;
mod survey;
mod tree;
mod undo;

use std::path::PathBuf;

pub use settings::Profile;

/// What a person asked for.
#[derive(Clone, Debug)]
pub struct Request {
    pub verb: Verb,
    /// Where /proc, /sys and /etc are looked for.
    pub root: PathBuf,
    pub profile: Profile,
    /// These rows alone, whatever their profile; empty: all rows of the profile.
    pub only: Vec<String>,
    pub disks: Vec<String>,
    pub nics: Vec<String>,
    /// Shards to compute with, if not one for each core.
    pub shards: Option<u64>,
    pub json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    Check,
    Plan,
    Apply,
    Undo,
    Status,
    Script,
}

/// What to print, and whether all is as wanted (exit code 0) or something differs (1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub text: String,
    pub as_wanted: bool,
}

/// An error is what keeps the tool from looking at all; what cannot be written is named in the answer.
pub fn run(request: &Request) -> Result<Answer, String> {
    let tree = tree::Tree::new(&request.root)?;
    // Held until the answer is there; before the survey, so that nobody changes what it found.
    let _alone = matches!(request.verb, Verb::Apply | Verb::Undo).then(|| tree.lock()).transpose()?;
    let taken = || survey::take(&tree, request);
    match request.verb {
        Verb::Check => taken().map(|survey| report::check(&survey, request.json)),
        Verb::Plan => taken().map(|survey| report::plan(&survey, &tree, request.json)),
        Verb::Apply => apply::apply(&tree, &taken()?).map(|done| report::done(&done, request.json)),
        Verb::Undo => undo::undo(&tree).map(|done| report::done(&done, request.json)),
        Verb::Status => status::status(&tree).map(|done| report::done(&done, request.json)),
        Verb::Script => taken().and_then(|survey| script::script(&tree, &survey)),
    }
}
