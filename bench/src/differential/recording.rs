//! The original's answers in a file, for machines that cannot run it: normalised, step by step, to be read in a diff, and no
//! more of them than is compared.
//!
//! ```text
//! # Apache RocketMQ 5.3.3
//! -- the step's id
//! code: 0
//! ext.queueOffset: 0
//! ```

use super::answer::Answer;
use super::language::Script;
use super::pattern::fits;
use super::side::Answers;

/// Newlines of a value, and the bars they are written as.
const ESCAPES: [(&str, &str); 3] = [("\\", "\\\\"), ("\n", "\\n"), ("\r", "\\r")];

pub fn write(script: &Script, answers: &Answers, server: &str) -> String {
    let mut out = format!("# {server}\n");
    for (step, answer) in script.steps.iter().zip(answers) {
        let Some(answer) = answer else { continue };
        out.push_str(&format!("\n-- {}\n", step.id));
        let only = step.deed.only();
        for (path, value) in answer.iter().filter(|(path, _)| only.is_empty() || only.iter().any(|pattern| fits(pattern, path))) {
            let value = ESCAPES.iter().fold(value.clone(), |value, (plain, escaped)| value.replace(plain, escaped));
            out.push_str(&format!("{path}: {value}\n"));
        }
    }
    out
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
}
