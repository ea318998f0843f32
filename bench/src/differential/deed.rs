//! What one step does, from its words.
//!
//! Before: `language`; after: `side`, which does it.

use std::time::Duration;

use ringmq::remoting::code::REQUEST_CODES;

/// For an answer that should come at once.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
/// Long enough for a broker that would answer what it should not.
const SILENCE: Duration = Duration::from_millis(150);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Server {
    Broker,
    NameServer,
}

#[derive(Clone, Debug)]
pub enum Deed {
    /// `let NAME = VALUE`: the same on both sides, as far as the value has no captured one in it.
    Set {
        name: String,
        value: String,
    },
    /// `let NAME = answer.PATH`
    Capture {
        name: String,
        path: String,
    },
    /// `mark NAME`: now, in milliseconds.
    Mark {
        name: String,
    },
    Wait(Duration),
    /// `conn N`: the connection, to broker and name server, that the next steps use.
    Use(u32),
    /// `close`: the connection in use.
    Close,
    Request(Box<Request>),
    /// `raw broker HEX`: bytes as they are, which need not be a frame.
    Raw {
        server: Server,
        hex: String,
    },
    /// `answer`: to the request of this connection that was sent `later`.
    Answer {
        within: Duration,
    },
    /// `pushed CODE 3s FIELD=VALUE`: the request that the broker sends to us; of several, the one with that field.
    Pushed {
        code: i32,
        within: Duration,
        field: Option<(String, String)>,
    },
    /// `nothing CODE 300ms`: no such request comes from the broker.
    Nothing {
        code: i32,
        within: Duration,
    },
    /// `reply`: our answer to what was pushed last.
    Reply(Box<Request>),
}

/// Of which `Reply` uses code, fields and body.
#[derive(Clone, Debug)]
pub struct Request {
    pub server: Server,
    pub code: i32,
    pub fields: Vec<(String, String)>,
    pub body: Body,
    pub oneway: bool,
    pub binary: bool,
    /// The answer is waited for by `answer`.
    pub later: bool,
    pub language: Option<String>,
    pub version: Option<String>,
    pub remark: Option<String>,
    pub within: Duration,
    /// Asked again until the answer has this value there, or the time is over.
    pub until: Option<(String, String)>,
    /// Only these are compared: for answers of which most is the original's inner matters.
    pub only: Vec<String>,
}

#[derive(Clone, Debug)]
pub enum Body {
    Text(String),
    Hex(String),
    /// `body|NAME=value;…` each.
    Batch(Vec<String>),
}

impl Deed {
    pub fn is_compared(&self) -> bool {
        match self {
            Deed::Request(request) => !request.later,
            Deed::Raw { .. } | Deed::Answer { .. } | Deed::Pushed { .. } | Deed::Nothing { .. } => true,
            Deed::Set { .. }
            | Deed::Capture { .. }
            | Deed::Mark { .. }
            | Deed::Wait(_)
            | Deed::Use(_)
            | Deed::Close
            | Deed::Reply(_) => false,
        }
    }

    /// The name of the request that is answered, for who counts them.
    pub fn asks(&self) -> String {
        let Deed::Request(request) = self else { return "others".into() };
        let row = REQUEST_CODES.iter().find(|row| row.number == request.code);
        row.map_or_else(|| request.code.to_string(), |row| row.name.to_string())
    }

    /// The paths that are compared; none stands for all.
    pub fn only(&self) -> &[String] {
        match self {
            Deed::Request(request) => &request.only,
            _ => &[],
        }
    }
}

pub fn parse(words: &[String]) -> Result<Deed, String> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["let", name, "=", path] if path.starts_with("answer.") => {
            Ok(Deed::Capture { name: (*name).into(), path: path["answer.".len()..].into() })
        }
        ["let", name, "=", value] => Ok(Deed::Set { name: (*name).into(), value: (*value).into() }),
        ["mark", name] => Ok(Deed::Mark { name: (*name).into() }),
        ["wait", time] => Ok(Deed::Wait(duration(time)?)),
        ["conn", number] => number.parse().map(Deed::Use).map_err(|_| format!("{number} is no number of a connection")),
        ["close"] => Ok(Deed::Close),
        ["answer"] => Ok(Deed::Answer { within: ANSWER_LIMIT }),
        ["answer", time] => Ok(Deed::Answer { within: duration(time)? }),
        ["pushed", code] => Ok(Deed::Pushed { code: code_of(code)?, within: ANSWER_LIMIT, field: None }),
        ["pushed", code, time] => Ok(Deed::Pushed { code: code_of(code)?, within: duration(time)?, field: None }),
        ["pushed", code, time, field] => {
            let (name, value) = field.split_once('=').ok_or("the last word of `pushed` is FIELD=VALUE")?;
            Ok(Deed::Pushed { code: code_of(code)?, within: duration(time)?, field: Some((name.into(), value.into())) })
        }
        ["nothing", code, time] => Ok(Deed::Nothing { code: code_of(code)?, within: duration(time)? }),
        ["raw", server, hex @ ..] => Ok(Deed::Raw { server: server_of(server)?, hex: hex.concat() }),
        ["reply", rest @ ..] => {
            let request = request(Server::Broker, 0, rest)?;
            Ok(Deed::Reply(Box::new(request)))
        }
        [server @ ("broker" | "namesrv"), code, rest @ ..] => {
            let request = request(server_of(server)?, code_of(code)?, rest)?;
            Ok(Deed::Request(Box::new(request)))
        }
        _ => Err("no such step; docs/differential.md lists them".into()),
    }
}

fn request(server: Server, code: i32, words: &[&str]) -> Result<Request, String> {
    let mut request = Request {
        server,
        code,
        fields: Vec::new(),
        body: Body::Text(String::new()),
        oneway: false,
        binary: false,
        later: false,
        language: None,
        version: None,
        remark: None,
        within: ANSWER_LIMIT,
        until: None,
        only: Vec::new(),
    };
    for word in words {
        match (*word, word.split_once('=')) {
            ("oneway", _) => (request.oneway, request.within) = (true, SILENCE),
            ("binary", _) => request.binary = true,
            ("later", _) => request.later = true,
            (_, Some((name, value))) => option(&mut request, name, value)?,
            (word, None) => match word.strip_prefix('-') {
                Some(name) => request.fields.retain(|(found, _)| found != name),
                None => return Err(format!("{word} is neither a field (NAME=VALUE, or -NAME to take it away) nor an option")),
            },
        }
    }
    Ok(request)
}

fn option(request: &mut Request, name: &str, value: &str) -> Result<(), String> {
    match name {
        "body" => request.body = Body::Text(value.into()),
        "bodyhex" => request.body = Body::Hex(value.into()),
        "inner" => match &mut request.body {
            Body::Batch(messages) => messages.push(value.into()),
            _ => request.body = Body::Batch(vec![value.into()]),
        },
        // Where a send has its properties depends on which names the code gives its fields.
        "props" => {
            let name = if matches!(request.code, 10 | 324) { "properties" } else { "i" };
            field(request, name, &properties(value)?);
        }
        "@code" => request.code = value.parse().map_err(|_| format!("{value} is no code of an answer"))?,
        "@remark" => request.remark = Some(value.into()),
        "@language" => request.language = Some(value.into()),
        "@version" => request.version = Some(value.into()),
        "@within" => request.within = duration(value)?,
        "@only" => request.only = value.split(',').map(str::to_string).collect(),
        "@until" => {
            let (path, value) = value.split_once('=').ok_or("@until needs PATH=VALUE")?;
            request.until = Some((path.into(), value.into()));
        }
        _ if name.starts_with('@') => return Err(format!("there is no option {name}")),
        _ => field(request, name, value),
    }
    Ok(())
}

fn field(request: &mut Request, name: &str, value: &str) {
    match request.fields.iter_mut().find(|(found, _)| found == name) {
        Some((_, found)) => *found = value.to_string(),
        None => request.fields.push((name.to_string(), value.to_string())),
    }
}

/// `A=1;B=2` in the form that messages store.
pub fn properties(text: &str) -> Result<String, String> {
    let entries = text.split(';').filter(|entry| !entry.is_empty()).map(|entry| {
        let (name, value) = entry.split_once('=').ok_or_else(|| format!("a property is NAME=VALUE, not {entry}"))?;
        Ok(format!("{name}\u{1}{value}\u{2}"))
    });
    entries.collect()
}

fn server_of(word: &str) -> Result<Server, String> {
    match word {
        "broker" => Ok(Server::Broker),
        "namesrv" => Ok(Server::NameServer),
        _ => Err(format!("{word} is neither broker nor namesrv")),
    }
}

fn code_of(word: &str) -> Result<i32, String> {
    let by_name = || REQUEST_CODES.iter().find(|row| row.name == word).map(|row| row.number);
    word.parse().ok().or_else(by_name).ok_or_else(|| format!("{word} is no request code; docs/protocol.md has their names"))
}

fn duration(word: &str) -> Result<Duration, String> {
    let millis = match (word.strip_suffix("ms"), word.strip_suffix('s')) {
        (Some(number), _) => number.parse().ok(),
        (None, Some(number)) => number.parse::<u64>().ok().map(|seconds| seconds * 1000),
        (None, None) => None,
    };
    millis.map(Duration::from_millis).ok_or_else(|| format!("{word} is no time; write 200ms or 3s"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Deed {
        parse(&super::super::words::split(line).unwrap()).unwrap()
    }

    #[test]
    fn codes_go_by_name_and_by_number() {
        for line in ["broker SEND_MESSAGE_V2 a=g", "broker 310 a=g"] {
            let Deed::Request(request) = parsed(line) else { panic!("a request") };
            assert_eq!((request.code, request.fields.len()), (310, 1));
        }
    }

    #[test]
    fn properties_go_where_the_code_has_them() {
        for (line, name) in [("broker 10 props=K=v", "properties"), ("broker 310 props=K=v", "i")] {
            let Deed::Request(request) = parsed(line) else { panic!("a request") };
            assert_eq!(request.fields, [(name.to_string(), "K\u{1}v\u{2}".to_string())]);
        }
    }

    #[test]
    fn times_have_units() {
        assert_eq!(duration("200ms"), Ok(Duration::from_millis(200)));
        assert_eq!(duration("3s"), Ok(Duration::from_secs(3)));
        assert!(duration("3").is_err());
    }
}
