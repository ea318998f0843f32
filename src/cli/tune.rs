//! `ringmq tune`: its arguments, and what they ask of `crate::tune`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Subcommand, ValueEnum};

use crate::tune::{self, Request, Verb};

#[derive(Clone, Debug, Subcommand)]
pub(super) enum Tune {
    /// See which settings are as wanted; changes nothing, and any user may.
    #[command(after_help = EXIT_CODES)]
    Check(TuneArgs),
    /// What apply would do: from what to what, why, at which risk.
    #[command(after_help = EXIT_CODES)]
    Plan(TuneArgs),
    /// Set what differs, now and for the next boot, and remember what was there.
    #[command(after_help = EXIT_CODES)]
    Apply(TuneArgs),
    /// Put back all that was there before the first apply.
    #[command(after_help = EXIT_CODES)]
    Undo(Where),
    /// What is applied, and whether it still holds.
    #[command(after_help = EXIT_CODES)]
    Status(Where),
    /// Print the plan as plain POSIX sh: 'sh SCRIPT' applies it, 'sh SCRIPT undo' takes it back.
    Script(TuneArgs),
}

#[derive(Clone, Debug, clap::Args)]
pub(super) struct TuneArgs {
    /// safe: on any host. dedicated: the broker has the host alone. latency: cores and energy for microseconds.
    #[arg(long, value_enum, default_value_t = ProfileName::Safe)]
    pub profile: ProfileName,
    /// These settings alone, whatever their profile.
    #[arg(long, value_name = "ID,...", value_delimiter = ',')]
    pub only: Vec<String>,
    /// A disk of the store, such as nvme0n1; without it no disk is touched. Repeat it for more.
    #[arg(long = "disk", value_name = "NAME")]
    pub disks: Vec<String>,
    /// The network card that clients come through, such as eth0. Repeat it for more.
    #[arg(long = "nic", value_name = "NAME")]
    pub nics: Vec<String>,
    /// Shards of the broker [default: one per core].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1024))]
    pub shards: Option<u64>,
    #[command(flatten)]
    pub place: Where,
}

#[derive(Clone, Debug, clap::Args)]
pub(super) struct Where {
    /// A tree with proc, sys and etc instead of this machine, for trials.
    #[arg(long, value_name = "DIR", default_value = "/")]
    pub root: PathBuf,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// The profiles that can be applied; report-only rows are shown with each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ProfileName {
    Safe,
    Dedicated,
    Latency,
}

/// Exit codes of its own: 1 is an answer here, and an error is 2.
pub(super) fn tune(command: Tune) -> ExitCode {
    match tune::run(&request(command)) {
        Ok(answer) => {
            super::print(&answer.text);
            if answer.as_wanted { ExitCode::SUCCESS } else { ExitCode::from(1) }
        }
        Err(reason) => {
            eprintln!("ringmq tune: {reason}");
            ExitCode::from(2)
        }
    }
}

/// Whether this machine lacks something of profile safe; what cannot be looked at does not count.
pub(super) fn something_differs() -> bool {
    let place = Where { root: PathBuf::from("/"), json: false };
    tune::run(&alone(Verb::Check, place)).is_ok_and(|answer| !answer.as_wanted)
}

fn alone(verb: Verb, place: Where) -> Request {
    let none = Vec::new;
    let profile = tune::Profile::Safe;
    Request { verb, root: place.root, profile, only: none(), disks: none(), nics: none(), shards: None, json: place.json }
}

fn request(command: Tune) -> Request {
    let with = |verb: Verb, args: TuneArgs| {
        let profile = match args.profile {
            ProfileName::Safe => tune::Profile::Safe,
            ProfileName::Dedicated => tune::Profile::Dedicated,
            ProfileName::Latency => tune::Profile::Latency,
        };
        let TuneArgs { only, disks, nics, shards, place, .. } = args;
        Request { verb, root: place.root, profile, only, disks, nics, shards, json: place.json }
    };
    match command {
        Tune::Check(args) => with(Verb::Check, args),
        Tune::Plan(args) => with(Verb::Plan, args),
        Tune::Apply(args) => with(Verb::Apply, args),
        Tune::Script(args) => with(Verb::Script, args),
        Tune::Undo(place) => alone(Verb::Undo, place),
        Tune::Status(place) => alone(Verb::Status, place),
    }
}

pub(super) const EXAMPLES: &str = "\
Examples:
  ringmq tune check                                  # read-only, as any user
  ringmq tune plan --profile dedicated --disk nvme0n1
  sudo ringmq tune apply --profile dedicated --disk nvme0n1
  sudo ringmq tune undo                              # all as it was
  ringmq tune script --profile dedicated > tune.sh   # the same as plain sh

The settings, each with its reason: kernel-tuning/settings.toml";

const EXIT_CODES: &str = "Exit code: 0 all as wanted, 1 something differs or was left (it is named), 2 an error.";
