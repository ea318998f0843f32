//! The original's answers in a file, for machines that cannot run it: normalised, step by step, to be read in a diff, and no
//! more of them than is compared.
//!
//! ```text
//! # Apache RocketMQ 5.3.3
//! -- the step's id
//! code: 0
//! ext.queueOffset: 0
//! ```
//!
//! Of another release only what differs from that: `-PATTERN` takes paths away, a line with a value puts one there, and a
//! step that is not named was answered alike. Its first line says of how many steps, so that one that was never asked is
//! not taken for one answered alike.

use super::answer::Answer;
use super::language::{Script, Step};
use super::pattern::fits;
use super::side::Answers;

/// Newlines of a value, and the bars they are written as.
const ESCAPES: [(&str, &str); 3] = [("\\", "\\\\"), ("\n", "\\n"), ("\r", "\\r")];

/// The first line of another release's recording, before the number of steps.
const STEPS: &str = ", where it differs, of steps: ";

pub fn write(script: &Script, answers: &Answers, server: &str) -> String {
    let mut out = format!("# {server}\n");
    for (step, answer) in script.steps.iter().zip(answers) {
        let Some(answer) = answer else { continue };
        out.push_str(&format!("\n-- {}\n", step.id));
        out.extend(kept(step, answer).map(|(path, value)| line(path, value)));
    }
    out
}

/// What another release answers otherwise than `base`.
pub fn write_other(script: &Script, base: &Answers, answers: &Answers, server: &str) -> String {
    let mut out = format!("# {server}{STEPS}{}\n", script.compared());
    for ((step, base), answer) in script.steps.iter().zip(base).zip(answers) {
        let (Some(base), Some(answer)) = (base, answer) else { continue };
        let answer: Answer = kept(step, answer).map(|(path, value)| (path.clone(), value.clone())).collect();
        if answer == *base {
            continue;
        }
        let gone = base.keys().filter(|path| !answer.contains_key(*path)).map(|path| format!("-{path}\n"));
        let changed = answer.iter().filter(|(path, value)| base.get(*path) != Some(value)).map(|(path, value)| line(path, value));
        let apart: String = gone.chain(changed).collect();
        let whole: String =
            ["-*\n".to_string()].into_iter().chain(answer.iter().map(|(path, value)| line(path, value))).collect();
        out.push_str(&format!("\n-- {}\n{}", step.id, if whole.len() < apart.len() { whole } else { apart }));
    }
    out
}

fn kept<'a>(step: &'a Step, answer: &'a Answer) -> impl Iterator<Item = (&'a String, &'a String)> {
    let only = step.deed.only();
    answer.iter().filter(move |(path, _)| only.is_empty() || only.iter().any(|pattern| fits(pattern, path)))
}

fn line(path: &str, value: &str) -> String {
    let value = ESCAPES.iter().fold(value.to_string(), |value, (plain, escaped)| value.replace(plain, escaped));
    format!("{path}: {value}\n")
}

/// The answers to the steps of this script, in their order.
pub fn read(script: &Script, text: &str) -> Result<Answers, String> {
    let mut parts = text.split("\n-- ").skip(1);
    let mut answers = Answers::new();
    for step in &script.steps {
        if !step.deed.is_compared() {
            answers.push(None);
            continue;
        }
        let old = || format!("the recording of {}.steps has no answer to `{}` there: record it again", script.name, step.id);
        let part = parts.next().ok_or_else(old)?;
        let (id, lines) = part.split_once('\n').unwrap_or((part, ""));
        if id != step.id {
            return Err(old());
        }
        answers.push(Some(lines.lines().filter_map(entry).collect::<Answer>()));
    }
    if parts.next().is_some() {
        return Err(format!("the recording of {}.steps has steps that the file has no more: record it again", script.name));
    }
    Ok(answers)
}

/// The answers of another release, which are those of `base` but for what its recording says.
pub fn read_other(script: &Script, base: Answers, text: &str) -> Result<Answers, String> {
    let old = |why: String| format!("the other release's recording of {}.steps {why}: record it again", script.name);
    let mut parts = text.split("\n-- ");
    let steps = parts.next().and_then(|first| first.trim().rsplit_once(STEPS)?.1.parse::<usize>().ok());
    if steps != Some(script.compared()) {
        return Err(old(format!("is not of {} steps", script.compared())));
    }
    let mut answers = base;
    let mut from = 0;
    for part in parts {
        let (id, lines) = part.split_once('\n').unwrap_or((part, ""));
        let at = script.steps.iter().skip(from).position(|step| step.id == id).map(|by| from + by);
        let Some((at, answer)) = at.and_then(|at| Some((at, answers[at].as_mut()?))) else {
            return Err(old(format!("has an answer to `{id}`, which is no step there")));
        };
        from = at + 1;
        for line in lines.lines() {
            match line.strip_prefix('-') {
                Some(pattern) => answer.retain(|path, _| !fits(pattern, path)),
                None => answer.extend(entry(line)),
            }
        }
    }
    Ok(answers)
}

fn entry(line: &str) -> Option<(String, String)> {
    let (path, value) = line.split_once(": ").or_else(|| line.strip_suffix(':').map(|path| (path, "")))?;
    let (mut out, mut chars) = (String::new(), value.chars());
    while let Some(char) = chars.next() {
        match char {
            '\\' => out.push(match chars.next()? {
                'n' => '\n',
                'r' => '\r',
                other => other,
            }),
            other => out.push(other),
        }
    }
    Some((path.to_string(), out))
}

#[cfg(test)]
mod tests {
    use super::super::language::Templates;
    use super::*;

    #[test]
    fn what_was_written_is_read_again() {
        let script = Script::parse("x", "let a = b\nbroker 30\n-- two\nbroker 31", &Templates::default()).unwrap();
        let answer = |value: &str| Some(Answer::from([("code".to_string(), value.to_string())]));
        let answers = vec![None, answer("a\n\\n: b"), answer("")];
        let text = write(&script, &answers, "Apache");
        assert_eq!(read(&script, &text).unwrap(), answers);
        let other = Script::parse("x", "broker 30\nbroker 31", &Templates::default()).unwrap();
        assert!(read(&other, &text).unwrap_err().contains("record it again"));
    }

    #[test]
    fn of_another_release_what_differs_is_written_and_read_again() {
        let script = Script::parse("x", "broker 30\nlet a = b\nbroker 31\nbroker 32", &Templates::default()).unwrap();
        let answer =
            |entries: &[(&str, &str)]| Some(entries.iter().map(|(p, v)| (p.to_string(), v.to_string())).collect::<Answer>());
        let base =
            vec![answer(&[("code", "0"), ("ext.a", "1")]), None, answer(&[("code", "0")]), answer(&[("b", "1"), ("body", "2")])];
        let other = vec![answer(&[("code", "0")]), None, answer(&[("code", "0")]), answer(&[("code", "3\n-x")])];
        let text = write_other(&script, &base, &other, "Apache");
        assert_eq!(text, "# Apache, where it differs, of steps: 3\n\n-- broker 30\n-ext.a\n\n-- broker 32\n-*\ncode: 3\\n-x\n");
        assert_eq!(read_other(&script, base.clone(), &text).unwrap(), other);
        let longer = Script::parse("x", "broker 30\nbroker 31\nbroker 32\nbroker 33", &Templates::default()).unwrap();
        assert!(read_other(&longer, base, &text).unwrap_err().contains("record it again"));
    }
}
