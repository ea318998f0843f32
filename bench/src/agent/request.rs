//! What an agent is asked to run: read with limits, and refused unless it is load.

use std::io::BufRead;

/// The subcommands that only talk to a broker.
const LOAD: [&str; 4] = ["produce", "consume", "e2e", "mixed"];
/// More than any load's arguments need.
const REQUEST_BYTES_MAX: u64 = 16 << 10;

/// Up to the empty line.
pub fn read(from: impl BufRead) -> Result<Vec<String>, String> {
    let mut arguments = Vec::new();
    for line in from.take(REQUEST_BYTES_MAX).lines() {
        match line {
            Ok(line) if line.is_empty() => return Ok(arguments),
            Ok(line) => arguments.push(line),
            Err(error) => return Err(format!("the request did not arrive: {error}")),
        }
    }
    Err(format!("the request has no empty line at its end, or more than {REQUEST_BYTES_MAX} bytes"))
}

pub fn check(arguments: &[String]) -> Result<(), String> {
    match arguments.first() {
        Some(command) if LOAD.contains(&command.as_str()) => {}
        Some(command) => return Err(format!("an agent runs {} only, not '{command}'", LOAD.join(", "))),
        None => return Err(format!("the request is empty: name one of {}", LOAD.join(", "))),
    }
    match arguments.iter().find(|argument| argument.contains('/')) {
        Some(argument) => Err(format!("'{argument}' could be a file of the agent's host: leave out arguments with a slash")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(arguments: &[&str]) -> Result<(), String> {
        check(&arguments.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    #[test]
    fn load_is_run_and_nothing_else() {
        assert_eq!(checked(&["produce", "--broker", "10.77.0.1:10911"]), Ok(()));
        assert!(checked(&["torture", "--node", "sh"]).is_err());
        assert!(checked(&["agent", "--listen", "0.0.0.0:1"]).is_err());
        assert!(checked(&["--smoke"]).is_err());
        assert!(checked(&[]).is_err());
    }

    #[test]
    fn no_argument_names_a_file_elsewhere() {
        assert!(checked(&["produce", "--json", "/etc/passwd"]).is_err());
        assert!(checked(&["produce", "--json=../x"]).is_err());
    }

    #[test]
    fn a_request_ends_with_an_empty_line() {
        assert_eq!(read(&b"produce\n--seconds\n1\n\n"[..]), Ok(vec!["produce".into(), "--seconds".into(), "1".into()]));
        assert!(read(&b"produce\n--seconds\n1"[..]).is_err());
        assert!(read(&vec![b'x'; 1 << 20][..]).is_err());
    }
}
