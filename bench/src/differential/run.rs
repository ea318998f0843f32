//! A run over step files: each on both sides at once, several files beside each other, and a table at the end.

use std::fs;
use std::sync::Mutex;
use std::thread;

use comfy_table::{CellAlignment, Table, presets};

use super::answer::Answer;
use super::compare::{Difference, compare};
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
    let taken = take_all(args, folder, scripts, original, ours);
    if let Some(server) = &args.record {
        for one in &taken {
            let answers = one.original.as_ref().expect("--record asks the original").as_ref()?;
            let path = folder.recording(&one.script.name);
            fs::create_dir_all(path.parent().expect("in the folder of recordings")).map_err(|error| error.to_string())?;
            fs::write(&path, recording::write(&one.script, answers, server))
                .map_err(|error| format!("{}: {error}", path.display()))?;
        }
    }
    report(folder, &taken)
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
                    let recorded = || text(&folder.recording(&script.name)).and_then(|text| recording::read(&script, &text));
                    let original = original.or_else(|| args.recorded.then(recorded));
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
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(["file", "steps", "equal", "listed", "new"]);
    let (mut total, mut failed) = ([0usize; 4], false);
    for one in taken {
        let name = &one.script.name;
        for error in [&one.original, &one.ours].into_iter().flatten().filter_map(|answers| answers.as_ref().err()) {
            println!("{name}: {error}");
            failed = true;
        }
        let (Some(Ok(original)), Some(Ok(ours))) = (&one.original, &one.ours) else {
            let asked = one.script.compared();
            table.add_row([name.clone(), asked.to_string(), "not compared".into(), String::new(), String::new()]);
            continue;
        };
        let mut counts = [0usize; 4];
        for (index, step) in one.script.steps.iter().enumerate() {
            let (Some(original), Some(ours)) = (&original[index], &ours[index]) else { continue };
            let found = compare(original, ours, step.deed.only());
            counts[0] += 1;
            match (found.is_empty(), folder.listed.reasons(name, &step.id, &found)) {
                (true, _) => counts[1] += 1,
                (false, Some(_)) => counts[2] += 1,
                (false, None) => {
                    counts[3] += 1;
                    show(name, &step.id, &step.text, &found);
                }
            }
        }
        failed |= counts[3] > 0;
        total.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        table.add_row([name.clone()].into_iter().chain(counts.map(|count| count.to_string())));
    }
    table.add_row(["all".to_string()].into_iter().chain(total.map(|count| count.to_string())));
    table.column_iter_mut().skip(1).for_each(|column| column.set_cell_alignment(CellAlignment::Right));
    println!("\n{table}");
    let compared: Vec<&str> = taken
        .iter()
        .filter(|one| matches!((&one.original, &one.ours), (Some(Ok(_)), Some(Ok(_)))))
        .map(|one| one.script.name.as_str())
        .collect();
    for line in folder.listed.unused(&compared) {
        println!("listed, but no difference any more; take it out of differences.txt: {line}");
    }
    for (file, what) in folder.pending.iter().filter(|(file, _)| !taken.iter().any(|one| one.script.name == *file)) {
        println!("pending, not compared: {file}.steps: {what}");
    }
    Ok(!failed)
}

fn show(file: &str, id: &str, text: &str, found: &[Difference]) {
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
