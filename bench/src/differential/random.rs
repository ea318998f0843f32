//! Request sequences from a seed, right and wrong ones mixed, asked of both sides and compared like steps of a file.
//!
//! A sequence is text in the language of step files, with names of its own, so that a difference can be kept as a file. It
//! is short, so that what led to a difference is near. The same seed gives the same sequences.
//!
//! Of another release than the one that ours answers like, requests that it does not have are left out of the sequences:
//! what they do with ours alone would show in all that follows; so are those that a line of its list has `*` for. Nor is it compared there how a refusal is worded and coded.
//!
//! Must always be true: a difference counts when it shows again in a second run of its sequence, with other names; one
//! that does not is said and not counted, because a loaded machine can make an answer late.

use std::collections::{BTreeMap, HashSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use fastrand::Rng;

use super::answer::Answer;
use super::compare::{Difference, compare, is_not_supported};
use super::folder::Folder;
use super::language::Script;
use super::run::{lines, run_name};
use super::shapes::{BODIES, SHAPES, has_a_wrong_field, right, wrong};
use super::shrink::shrink;
use super::side::{Answers, Peer, Side};

/// How the list of differences calls all of them.
pub const FILE: &str = "random";
const SEQUENCE: usize = 50;
/// Steps before them, which make topics and groups.
const SETUP: usize = 7;
/// One field in so many is wrong or not there.
const WRONG_ONE_IN: u32 = 12;
const BINARY_ONE_IN: u32 = 6;
const AT_ONCE: usize = 4;
const AS_OLDER_RELEASES: &str = r#"broker UPDATE_BROKER_CONFIG body="useServerSideResetOffset=false\n""#;
/// Differences that are shown and shrunk; those beyond are counted.
const SHOWN_MAX: usize = 10;

pub struct Both<'a> {
    pub folder: &'a Folder,
    pub original: &'a Peer,
    pub ours: &'a Peer,
}

/// The first new difference of a sequence.
pub struct Found {
    pub index: usize,
    pub differences: Vec<Difference>,
    pub original: String,
    pub ours: String,
}

pub fn run(folder: &Folder, original: &Peer, ours: &Peer, seed: u64, requests: usize) -> Result<bool, String> {
    let both = Both { folder, original, ours };
    let sequences = requests.div_ceil(SEQUENCE);
    let left_out = if folder.release.is_some() { both.left_out()? } else { Vec::new() };
    let (next, shown, unstable, asked) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    let failures: Mutex<BTreeMap<String, usize>> = Mutex::default();
    let errors: Mutex<Vec<String>> = Mutex::default();
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= sequences {
                        return;
                    }
                    let mut steps = sequence(seed, number, &left_out);
                    steps.retain(|step| !folder.listed.is_not_asked(FILE, step));
                    asked.fetch_add(steps.iter().filter(|step| !step.starts_with("wait")).count(), Ordering::Relaxed);
                    match both.find(&steps) {
                        Ok(None) => {}
                        Err(error) => errors.lock().expect("no thread panics with it").push(error),
                        Ok(Some(found)) => {
                            let steps = steps[..=found.index].to_vec();
                            let again =
                                both.find(&steps).is_ok_and(|again| again.is_some_and(|again| again.index == found.index));
                            if !again {
                                unstable.fetch_add(1, Ordering::Relaxed);
                                continue;
                            }
                            let kind = kind(&steps[found.index], &found.differences);
                            let first = {
                                let mut failures = failures.lock().expect("no thread panics with it");
                                let count = failures.entry(kind).or_default();
                                *count += 1;
                                *count == 1
                            };
                            if first && shown.fetch_add(1, Ordering::Relaxed) < SHOWN_MAX {
                                show(&both, seed, number, &steps, &found);
                            }
                        }
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().expect("no thread panics with it");
    let errors = errors.into_inner().expect("no thread panics with it");
    println!(
        "random: seed {seed}, {} requests in {sequences} sequences, {} with a new difference, {} with one that did not show again",
        asked.into_inner(),
        failures.values().sum::<usize>(),
        unstable.into_inner()
    );
    if !left_out.is_empty() {
        println!("  left out, not in this release: {}", left_out.join(", "));
    }
    failures.iter().for_each(|(kind, count)| println!("  {count} × {kind}"));
    match errors.first() {
        Some(error) => Err(error.clone()),
        None => Ok(failures.is_empty()),
    }
}

/// The setup and then the requests of one sequence.
fn sequence(seed: u64, number: usize, left_out: &[&str]) -> Vec<String> {
    let mut rng = Rng::with_seed(seed.wrapping_mul(1_000_003).wrapping_add(number as u64));
    let mut steps = vec![
        "let topic = Ra-$run".to_string(),
        "let group = rg-$run".to_string(),
        "topic topic=Ra-$run".to_string(),
        "topic topic=Rb-$run readQueueNums=2 writeQueueNums=3".to_string(),
    ];
    steps.extend(["rg", "rh", "ri"].map(|group| format!("group body='{{\"groupName\":\"{group}-$run\"}}'")));
    let mut popped = HashSet::new();
    let weights: u32 = SHAPES.iter().map(|shape| shape.weight).sum();
    while steps.len() < SEQUENCE + SETUP {
        if rng.u32(..10) == 0 {
            steps.push(with_body(&mut rng));
            continue;
        }
        let mut at = rng.u32(..weights);
        let shape = SHAPES.iter().find(|shape| {
            let here = at < shape.weight;
            at = at.saturating_sub(shape.weight);
            here
        });
        let shape = shape.expect("the weights are theirs");
        if left_out.contains(&shape.begin) {
            continue;
        }
        let mut step = shape.begin.to_string();
        for (name, kind) in shape.fields {
            // Numbers that a send does not need fail the original's sends; step files have them.
            let needed = !(takes_faults_as_0(shape.begin) || shape.begin == "send" && matches!(*name, "j" | "d"));
            let value = if needed && rng.u32(..WRONG_ONE_IN) == 0 {
                wrong(*kind, &mut rng).map(str::to_string)
            } else {
                Some(right(*kind, &mut rng))
            };
            match value {
                // A queue below 0 is one of the broker's choice.
                Some(value) if *name == "e" && value == "-1" => step.push_str(" e=0"),
                Some(value) if *name == "queueId" && shape.begin == "sendlong" && value == "-1" => step.push_str(" queueId=0"),
                // Properties that are none have their own steps, with the field's own name.
                Some(value) if *name == "props" && !value.contains('=') => step.push_str(" props=\"\""),
                Some(value) => step.push_str(&format!(" {name}=\"{value}\"")),
                None => step.push_str(&format!(" -{name}")),
            }
        }
        if rng.u32(..BINARY_ONE_IN) == 0 {
            step.push_str(" binary");
        }
        if shape.begin == "topic" && has_a_wrong_field(&step) {
            // The original keeps topics that nobody can use, and all that follows would show it.
            continue;
        }
        if shape.begin.contains("DELETE_TOPIC") {
            // Never the topic that faulty sends go to.
            step = step.replace("Ra-$run", "Rb-$run");
        }
        let named = |name: &str| Some(step.split_once(&format!(" {name}=\""))?.1.split('"').next()?.to_string());
        if shape.begin.starts_with("pop ") {
            popped.insert((named("topic"), named("consumerGroup")));
        }
        if popped.contains(&(named("topic"), named("consumerGroup").or(named("srcGroup")))) && asks_offset(shape.begin) {
            continue;
        }
        if shape.begin.contains("CLONE") && named("topic").is_none_or(|topic| topic.is_empty()) {
            // Ours copies every topic's offsets, the original none.
            continue;
        }
        let sends = shape.begin.starts_with("send");
        if sends && has_a_wrong_field(&step) {
            // Whether a topic was made before the fault was found would show in all that follows.
            step =
                ["Rb", "Rc", "Rnone"].iter().fold(step, |step, name| step.replace(&format!("=\"{name}-$run\""), "=\"Ra-$run\""));
        }
        steps.push(step);
    }
    steps
}

/// The original takes 0 for what is missing or no number in these, and then does what nobody asked for; step files have it.
fn takes_faults_as_0(begin: &str) -> bool {
    begin.starts_with("pop ") || begin == "broker POLLING_INFO"
}

/// Where a group that pops stands: ours at the first message that is not acknowledged, the original behind the last that was
/// handed out. Step files have it.
fn asks_offset(begin: &str) -> bool {
    begin == "committed" || begin == "broker CLONE_GROUP_OFFSET"
}

fn with_body(rng: &mut Rng) -> String {
    use super::shapes::Kind::{Flag, Group, Name, Queue, Topic};
    let (begin, body) = BODIES[rng.usize(..BODIES.len())];
    let places = [("GROUP", Group), ("TOPIC", Topic), ("NAME", Name), ("NUMBER", Queue), ("FLAG", Flag)];
    let body = places.into_iter().fold(body.to_string(), |body, (place, kind)| body.replace(place, &right(kind, rng)));
    match rng.u32(..WRONG_ONE_IN * 2) {
        0 => begin.to_string(),
        1 => format!("{begin} body={{}}"),
        _ => format!("{begin} body='{body}'"),
    }
}

impl Both<'_> {
    /// How the shapes begin that the original does not have. Both sides are made ready besides: resets are the members' own
    /// business, as in releases that know no other.
    fn left_out(&self) -> Result<Vec<&'static str>, String> {
        let steps: Vec<String> = SHAPES
            .iter()
            .map(|shape| {
                let fields =
                    shape.fields.iter().map(|(name, kind)| format!(" {name}=\"{}\"", right(*kind, &mut Rng::with_seed(1))));
                format!("{}{}", shape.begin, fields.collect::<String>())
            })
            .collect();
        let ready = ["let topic = Ra-$run", "let group = rg-$run", "topic topic=Ra-$run", AS_OLDER_RELEASES].map(str::to_string);
        let text = ready.iter().chain(&steps).cloned().collect::<Vec<_>>().join("\n");
        let script = Script::parse(FILE, &text, &self.folder.templates)?;
        let run = run_name(FILE);
        let original = Side::new(self.original, &run).take(&script, |_, _| {})?;
        Side::new(self.ours, &run).take(&Script::parse(FILE, AS_OLDER_RELEASES, &self.folder.templates)?, |_, _| {})?;
        let answers = original.iter().skip(ready.len()).zip(SHAPES);
        Ok(answers.filter(|(answer, _)| answer.as_ref().is_some_and(is_not_supported)).map(|(_, shape)| shape.begin).collect())
    }

    /// Runs the steps on both sides, with names of this run.
    pub fn find(&self, steps: &[String]) -> Result<Option<Found>, String> {
        let script = Script::parse(FILE, &steps.join("\n"), &self.folder.templates)?;
        static RUNS: AtomicUsize = AtomicUsize::new(0);
        let run = run_name(&format!("{}", RUNS.fetch_add(1, Ordering::Relaxed)));
        let run = format!("{run}{:04x}z", RUNS.load(Ordering::Relaxed) & 0xffff);
        let (original, ours) = thread::scope(|scope| {
            let original = scope.spawn(|| Side::new(self.original, &run).take(&script, |_, _| {}));
            let ours = Side::new(self.ours, &run).take(&script, |_, _| {});
            (original.join().expect("taking steps does not panic"), ours)
        });
        Ok(self.first(&script, &original?, &ours?))
    }

    fn first(&self, script: &Script, original: &Answers, ours: &Answers) -> Option<Found> {
        script.steps.iter().enumerate().find_map(|(index, step)| {
            let (original, ours) = (original[index].as_ref()?, ours[index].as_ref()?);
            let differences = compare(original, ours, step.deed.only());
            if differences.is_empty()
                || both_refuse(original, ours) && (self.folder.release.is_some() || has_a_wrong_field(&step.text))
                || self.folder.listed.reasons(FILE, &step.text, &differences).is_ok()
            {
                return None;
            }
            Some(Found { index, differences, original: lines(original), ours: lines(ours) })
        })
    }
}

/// Codes of answers that are no refusals: success, and the four that say what a pull found.
const SERVED: [&str; 5] = ["0", "19", "20", "21", "22"];

/// A random request may have several faults at once; which of them is named is not compared. Step files have each alone.
fn both_refuse(original: &Answer, ours: &Answer) -> bool {
    [original, ours].iter().all(|answer| answer.get("code").is_some_and(|code| !SERVED.contains(&code.as_str())))
}

/// What differences have in common that are likely one: the request and the paths.
fn kind(step: &str, differences: &[Difference]) -> String {
    let begin: Vec<&str> = step.split(' ').take_while(|word| !word.contains('=') && !word.starts_with('-')).collect();
    let mut paths: Vec<&str> = differences.iter().map(|difference| difference.path.as_str()).collect();
    paths.truncate(4);
    format!("{}: {}", begin.join(" "), paths.join(", "))
}

fn show(both: &Both<'_>, seed: u64, number: usize, steps: &[String], found: &Found) {
    let short = shrink(both, steps);
    let mut text = format!("\nrandom | seed {seed}, sequence {number}: {}\n", steps[found.index]);
    found.differences.iter().take(8).for_each(|difference| text.push_str(&format!("{difference}\n")));
    text.push_str(&format!("  the original's answer\n{}  ours\n{}", found.original, found.ours));
    text.push_str(&format!("  the steps that show it:\n    {}", short.join("\n    ")));
    println!("{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_sequences_and_they_parse() {
        let text = std::fs::read_to_string("../tests/differential/common.defs").unwrap();
        let templates = super::super::language::Templates::parse(&text).unwrap();
        for number in 0..200 {
            let steps = sequence(7, number, &[]);
            assert_eq!(steps, sequence(7, number, &[]));
            assert!(steps.len() >= SEQUENCE + SETUP);
            Script::parse(FILE, &steps.join("\n"), &templates).unwrap_or_else(|error| panic!("{error}"));
        }
        assert_ne!(sequence(7, 0, &[]), sequence(8, 0, &[]));
    }
}
