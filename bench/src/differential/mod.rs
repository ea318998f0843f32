//! `ringmq-bench differential`: the same steps against the original and against ours, and every difference of the answers.
//! `scripts/differential` starts the two; `docs/differential.md` describes the steps.
//!
//! - `words`, `language`, `deed`, `variables`: a step file, from text to what is done
//! - `wire`, `side`: one of the two peers, and steps taken on it
//! - `answer`, `normal`: what came, as paths and values without what two brokers cannot have in common
//! - `compare`, `differences`, `pattern`: what differs, and whether it is meant
//! - `recording`: the original's answers in files
//! - `random`, `shapes`, `shrink`: sequences from a seed, and the short one that shows a difference
//! - `folder`, `run`: the files, and a run over them

mod answer;
mod compare;
mod deed;
mod differences;
mod folder;
mod language;
mod normal;
mod pattern;
mod random;
mod recording;
mod run;
mod shapes;
mod shrink;
mod side;
mod variables;
mod wire;
mod words;

use std::path::PathBuf;

use self::folder::Folder;
use self::side::Peer;

#[derive(clap::Args)]
pub struct Differential {
    /// The folder of step files, differences.txt, pending.txt and recorded/
    #[arg(long, default_value = "tests/differential")]
    folder: PathBuf,
    /// The original's broker, HOST:PORT
    #[arg(long, requires = "apache_namesrv")]
    apache: Option<String>,
    #[arg(long)]
    apache_namesrv: Option<String>,
    /// RingMQ's broker, HOST:PORT
    #[arg(long, requires = "ringmq_namesrv")]
    ringmq: Option<String>,
    #[arg(long)]
    ringmq_namesrv: Option<String>,
    /// Take the original's answers from recorded/ instead of asking it
    #[arg(long, conflicts_with = "apache")]
    recorded: bool,
    /// Which release the original is, when it is not the one that ours answers like: differences-RELEASE.txt counts as well
    #[arg(long)]
    release: Option<String>,
    /// Write the original's answers into recorded/
    #[arg(long, requires = "apache")]
    record: Option<String>,
    /// These files only (names without ending), comma-separated
    #[arg(long, value_delimiter = ',')]
    files: Vec<String>,
    /// The files of pending.txt too
    #[arg(long)]
    pending: bool,
    /// Print what each step brings
    #[arg(long)]
    print: bool,
    /// Files that are run at the same time
    #[arg(long, default_value_t = 8)]
    jobs: usize,
    /// So many random requests instead of the files
    #[arg(long)]
    random: Option<usize>,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print what is normalised, and why
    #[arg(long)]
    normalisations: bool,
}

/// False when there is a difference that is not listed.
pub fn run(args: &Differential) -> Result<bool, String> {
    if args.normalisations {
        println!("{}", normal::listed());
        return Ok(true);
    }
    let peer = |name: &str, broker: &Option<String>, namesrv: &Option<String>| {
        let (broker, namesrv) = (broker.clone()?, namesrv.clone()?);
        Some(Peer { name: name.into(), broker, namesrv })
    };
    let original = peer("original", &args.apache, &args.apache_namesrv);
    let ours = peer("ours", &args.ringmq, &args.ringmq_namesrv);
    if original.is_none() && ours.is_none() {
        return Err("nobody to ask: name --apache, --ringmq or both, each with its name server".into());
    }
    let folder = Folder::open(&args.folder, args.release.as_deref())?;
    match (args.random, original, ours) {
        (Some(requests), Some(original), Some(ours)) => random::run(&folder, &original, &ours, args.seed, requests),
        (Some(_), ..) => Err("random requests are compared live: they need --apache and --ringmq".into()),
        (None, original, ours) => run::files(args, &folder, original.as_ref(), ours.as_ref()),
    }
}
