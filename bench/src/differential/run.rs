//! A run over step files: each on both sides at once, several files beside each other, and a table at the end.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Mutex;
use std::thread;

use comfy_table::{CellAlignment, Table, presets};

use super::answer::Answer;
use super::compare::{Difference, compare, is_unknown};
use super::folder::{Folder, text};
use super::language::Script;
use super::side::{Answers, Peer, Side};
use super::{Differential, recording};
use crate::setup::millis;

/// Paths of one step that are printed.
const SHOWN_MAX: usize = 8;

/// One file's answers, or why there are none.
struct Taken {
    script: Script,
    original: Option<Result<Answers, String>>,
    ours: Option<Result<Answers, String>>,
}

pub fn files(args: &Differential, folder: &Folder, original: Option<&Peer>, ours: Option<&Peer>) -> Result<bool, String> {
    let mut scripts = Vec::new();
    for name in folder.names()? {
        let wanted = args.files.is_empty() && (args.pending || !folder.is_pending(&name)) || args.files.contains(&name);
        if wanted {
            scripts.push(folder.script(&name)?);
        }
    }
    if let Some(missing) = args.files.iter().find(|name| !scripts.iter().any(|script| script.name == **name)) {
        return Err(format!("there is no {missing}.steps in {}", args.folder.display()));
    }
    for peer in [original, ours].into_iter().flatten() {
        warm(folder, peer)?;
    }
    let mut taken = take_all(args, folder, scripts, original, ours);
    if let Some(server) = &args.record {
        taken.iter().try_for_each(|one| record(folder, one, server))?;
    }
    let mut good = report(folder, &taken)?;
    if args.recorded {
        for release in folder.recorded_releases() {
            for one in &mut taken {
                one.original = Some(recorded_other(folder, &one.script, &release));
            }
            println!("\nof the original {release}");
            good &= report(&Folder::open(&args.folder, Some(&release))?, &taken)?;
        }
    }
    Ok(good)
}

fn record(folder: &Folder, one: &Taken, server: &str) -> Result<(), String> {
    let (script, answers) = (&one.script, one.original.as_ref().expect("--record asks the original").as_ref()?);
    let (path, text) = match &folder.release {
        None => (folder.recording(&script.name), recording::write(script, answers, server)),
        Some(release) => {
            let path = folder.recording_of(release, &script.name);
            (path, recording::write_other(script, &recorded(folder, script)?, answers, server))
        }
    };
    fs::create_dir_all(path.parent().expect("in the folder of recordings")).map_err(|error| error.to_string())?;
    fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))
}

fn recorded(folder: &Folder, script: &Script) -> Result<Answers, String> {
    recording::read(script, &text(&folder.recording(&script.name))?)
}

fn recorded_other(folder: &Folder, script: &Script, release: &str) -> Result<Answers, String> {
    recording::read_other(script, recorded(folder, script)?, &text(&folder.recording_of(release, &script.name))?)
}

/// A Java process takes seconds for the first of everything, and a broker is not registered as soon as it listens.
fn warm(folder: &Folder, peer: &Peer) -> Result<(), String> {
    const STEPS: &str = "let topic = Warm-$run
        let group = warm-$run
        topic topic=$topic @until=code=0 @within=60s
        send @until=code=0 @within=60s
        pull @until=code=0 @within=60s
        namesrv GET_ROUTEINFO_BY_TOPIC topic=$topic @until=code=0 @within=60s";
    let script = Script::parse("warm", STEPS, &folder.templates)?;
    Side::new(peer, &run_name("warm")).take(&script, |_, _| {}).map(drop)
}

fn take_all(
    args: &Differential,
    folder: &Folder,
    scripts: Vec<Script>,
    original: Option<&Peer>,
    ours: Option<&Peer>,
) -> Vec<Taken> {
    // The longest first, so that none of them runs alone at the end.
    let mut waiting = scripts;
    waiting.sort_by_key(|script| script.steps.len());
    let (waiting, done) = (Mutex::new(waiting), Mutex::new(Vec::new()));
    let next = || waiting.lock().expect("no thread panics with it").pop();
    thread::scope(|scope| {
        for _ in 0..args.jobs.max(1) {
            scope.spawn(|| {
                while let Some(script) = next() {
                    let run = run_name(&script.name);
                    let (original, ours) = thread::scope(|both| {
                        let original = original.map(|peer| both.spawn(|| take(args, peer, &script, &run)));
                        let ours = ours.map(|peer| both.spawn(|| take(args, peer, &script, &run)));
                        let joined =
                            |handle: thread::ScopedJoinHandle<'_, _>| handle.join().expect("taking steps does not panic");
                        (original.map(joined), ours.map(joined))
                    });
                    let original = original.or_else(|| args.recorded.then(|| recorded(folder, &script)));
                    done.lock().expect("no thread panics with it").push(Taken { script, original, ours });
                }
            });
        }
    });
    let mut taken = done.into_inner().expect("no thread panics with it");
    taken.sort_by(|a, b| a.script.name.cmp(&b.script.name));
    taken
}

fn take(args: &Differential, peer: &Peer, script: &Script, run: &str) -> Result<Answers, String> {
    Side::new(peer, run).take(script, |index, answer| {
        if let (true, Some(answer)) = (args.print, answer) {
            print!("{}: -- {}\n{}", peer.name, script.steps[index].id, lines(answer));
        }
    })
}

/// Short, and of no other run: a text that nothing else in an answer contains.
pub fn run_name(salt: &str) -> String {
    let salt = salt.bytes().fold(7u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    format!("r{:07x}{:02x}q", millis() as u64 & 0xfff_ffff, salt & 0xff)
}

pub fn lines(answer: &Answer) -> String {
    answer.iter().map(|(path, value)| format!("    {path}: {value}\n")).collect()
}

fn report(folder: &Folder, taken: &[Taken]) -> Result<bool, String> {
    let lacks = folder.release.as_ref().map(|release| format!("not in {release}"));
    let mut table = Table::new();
    let header = ["file", "steps", "equal", "listed"].map(str::to_string).into_iter().chain(lacks.clone());
    table.load_preset(presets::NOTHING).set_header(header.chain(["new".to_string()]));
    let mut total = Counts::default();
    let mut unknown: BTreeMap<String, usize> = BTreeMap::new();
    let (mut compared, mut failed) = (Vec::new(), false);
    for one in taken {
        let name = &one.script.name;
        for error in [&one.original, &one.ours].into_iter().flatten().filter_map(|answers| answers.as_ref().err()) {
            println!("{name}: {error}");
            failed = true;
        }
        let (Some(Ok(original)), Some(Ok(ours))) = (&one.original, &one.ours) else {
            table.add_row([name.clone(), one.script.compared().to_string(), "not compared".into()]);
            continue;
        };
        compared.push(name.as_str());
        let mut counts = Counts::default();
        for (index, step) in one.script.steps.iter().enumerate() {
            let (Some(original), Some(ours)) = (&original[index], &ours[index]) else { continue };
            let found = compare(original, ours, step.deed.only());
            counts.steps += 1;
            if found.is_empty() {
                counts.equal += 1;
            } else if lacks.is_some() && is_unknown(original, ours) {
                counts.unknown += 1;
                *unknown.entry(step.deed.asks()).or_default() += 1;
            } else if let Err(new) = folder.listed.reasons(name, &step.id, &found) {
                counts.new += 1;
                show(name, &step.id, &step.text, &new);
            } else {
                counts.listed += 1;
            }
        }
        total.add(&counts);
        table.add_row(counts.row(name, lacks.is_some()));
    }
    failed |= total.new > 0;
    table.add_row(total.row("all", lacks.is_some()));
    table.column_iter_mut().skip(1).for_each(|column| column.set_cell_alignment(CellAlignment::Right));
    println!("\n{table}");
    if let (Some(lacks), false) = (lacks, unknown.is_empty()) {
        let unknown: Vec<String> = unknown.into_iter().map(|(code, steps)| format!("{code} ({steps})")).collect();
        println!("requests that are {lacks}, and their steps: {}", unknown.join(", "));
    }
    let all = folder.names()?.iter().all(|name| compared.contains(&name.as_str()));
    for (source, line) in folder.listed.unused(&compared, all) {
        println!("listed, but no difference any more; take it out of {source}: {line}");
    }
    for (file, what) in folder.pending.iter().filter(|(file, _)| !taken.iter().any(|one| one.script.name == *file)) {
        println!("pending, not compared: {file}.steps: {what}");
    }
    Ok(!failed)
}

/// Of a file's steps.
#[derive(Default)]
struct Counts {
    steps: usize,
    equal: usize,
    listed: usize,
    /// Requests that the original does not have.
    unknown: usize,
    new: usize,
}

impl Counts {
    fn add(&mut self, other: &Counts) {
        self.steps += other.steps;
        self.equal += other.equal;
        self.listed += other.listed;
        self.unknown += other.unknown;
        self.new += other.new;
    }

    fn row(&self, name: &str, with_unknown: bool) -> Vec<String> {
        let unknown = with_unknown.then_some(self.unknown);
        let counts = [self.steps, self.equal, self.listed].into_iter().chain(unknown).chain([self.new]);
        [name.to_string()].into_iter().chain(counts.map(|count| count.to_string())).collect()
    }
}

fn show(file: &str, id: &str, text: &str, found: &[&Difference]) {
    println!("{file} | {id}");
    if id != text {
        println!("    {text}");
    }
    for difference in found.iter().take(SHOWN_MAX) {
        println!("{difference}");
    }
    if found.len() > SHOWN_MAX {
        println!("      and {} more paths", found.len() - SHOWN_MAX);
    }
}
