//! The language of step files: a line is a step, and `docs/differential.md` is its description.
//!
//! Parsing knows nothing of brokers: it splits lines into words, puts templates in front of what uses them, and makes each
//! line a `Step`. Values keep their `$variables`; `variables` fills them in when a step is taken, since captured values
//! differ from side to side.
//!
//! Must always be true: a step's `id` is one of its kind in its file, because recordings and the list of differences name
//! steps by it; and it does not depend on line numbers, so a step put in elsewhere changes no other's id.
//!
//! After: `deed`, `side`.

use std::collections::{BTreeMap, HashMap};

use super::deed::{self, Deed};
use super::words::split;

/// Included before every file: its templates and nothing else.
pub const COMMON: &str = "common.defs";

pub struct Script {
    /// The file's name without its ending.
    pub name: String,
    pub steps: Vec<Step>,
}

#[derive(Clone)]
pub struct Step {
    pub id: String,
    /// As it stands in the file.
    pub text: String,
    pub deed: Deed,
}

/// Words that stand in front of those of a line that begins with their name.
#[derive(Clone, Default)]
pub struct Templates(HashMap<String, Vec<String>>);

impl Script {
    pub fn parse(name: &str, text: &str, templates: &Templates) -> Result<Script, String> {
        let mut templates = templates.clone();
        let (mut steps, mut label) = (Vec::new(), None);
        let mut times: BTreeMap<String, u32> = BTreeMap::new();
        for (number, line) in joined_lines(text) {
            let at = |error: String| format!("{name}.steps:{number}: {error}\n    {line}");
            if let Some(text) = line.strip_prefix("-- ") {
                label = Some(text.trim().to_string());
                continue;
            }
            let words = split(&line).map_err(at)?;
            if words.first().is_some_and(|word| word == "define") {
                templates.define(&words[1..]).map_err(at)?;
                continue;
            }
            let deed = deed::parse(&templates.expand(words)).map_err(at)?;
            let named = label.take().unwrap_or_else(|| line.clone());
            let count = times.entry(named.clone()).or_default();
            *count += 1;
            let id = if *count == 1 { named } else { format!("{named} #{count}") };
            steps.push(Step { id, text: line, deed });
        }
        Ok(Script { name: name.to_string(), steps })
    }

    /// How many steps ask or wait for something that is compared.
    pub fn compared(&self) -> usize {
        self.steps.iter().filter(|step| step.deed.is_compared()).count()
    }
}

impl Templates {
    pub fn parse(text: &str) -> Result<Templates, String> {
        let mut templates = Templates::default();
        for (number, line) in joined_lines(text) {
            let words = split(&line).map_err(|error| format!("{COMMON}:{number}: {error}"))?;
            match words.first() {
                Some(first) if first == "define" => templates.define(&words[1..])?,
                _ => return Err(format!("{COMMON}:{number}: only `define NAME WORDS` belongs here: {line}")),
            }
        }
        Ok(templates)
    }

    fn define(&mut self, words: &[String]) -> Result<(), String> {
        let [name, rest @ ..] = words else { return Err("define needs a name and the words it stands for".into()) };
        let words = self.expand(rest.to_vec());
        self.0.insert(name.clone(), words);
        Ok(())
    }

    /// A template's own words first, so that what the line says overrides them.
    fn expand(&self, words: Vec<String>) -> Vec<String> {
        match words.split_first().and_then(|(first, rest)| Some((self.0.get(first)?, rest))) {
            Some((template, rest)) => template.iter().chain(rest).cloned().collect(),
            None => words,
        }
    }
}

/// Lines with their numbers, without comments and empty ones; a line that ends with a backslash goes on in the next.
fn joined_lines(text: &str) -> Vec<(usize, String)> {
    let mut lines = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if open.is_none() && (line.is_empty() || line.starts_with('#')) {
            continue;
        }
        let (number, mut whole) = open.take().unwrap_or((index + 1, String::new()));
        match line.strip_suffix('\\') {
            Some(begin) => {
                whole.push_str(begin);
                open = Some((number, whole));
            }
            None => {
                whole.push_str(line);
                lines.push((number, whole));
            }
        }
    }
    lines.extend(open);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(text: &str) -> Vec<String> {
        let templates = Templates::parse("define ask broker GET_MAX_OFFSET topic=T queueId=0").unwrap();
        Script::parse("x", text, &templates).unwrap().steps.into_iter().map(|step| step.id).collect()
    }

    #[test]
    fn steps_are_named_by_their_label_or_their_text() {
        assert_eq!(ids("# no step\n\nask queueId=1\n-- a name\nask\nask\nask"), ["ask queueId=1", "a name", "ask", "ask #2"]);
        assert_eq!(ids("ask \\\n  queueId=7"), ["ask queueId=7"]);
    }

    #[test]
    fn what_a_line_says_overrides_its_template() {
        let templates = Templates::parse("define ask broker GET_MAX_OFFSET topic=T queueId=0\ndefine other ask topic=U").unwrap();
        let script = Script::parse("x", "other queueId=3 -topic", &templates).unwrap();
        let Deed::Request(request) = &script.steps[0].deed else { panic!("a request") };
        assert_eq!(request.fields, [("queueId".to_string(), "3".to_string())]);
    }

    #[test]
    fn a_line_that_says_nothing_known_is_an_error_with_its_place() {
        let error = Script::parse("x", "\nsing a song", &Templates::default()).err().unwrap();
        assert!(error.starts_with("x.steps:2: "), "{error}");
    }
}
