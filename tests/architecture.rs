//! The tree is the architecture: which room may know which, checked against the sources.

use std::fs;
use std::path::{Path, PathBuf};

/// Each room of `src/` and the rooms it may name. What is not listed here does not exist.
const MAY_KNOW: &[(&str, &[&str])] = &[
    ("remoting", &[]),
    ("config", &[]),
    ("local", &[]),
    ("net", &["remoting", "local"]),
    ("namesrv", &["net", "remoting", "config"]),
    ("broker", &["net", "remoting", "config", "local"]),
    ("admin", &["net", "remoting"]),
    ("store", &["config"]),
    ("preflight", &["config"]),
    ("tune", &[]),
    ("node", &["broker", "namesrv", "net", "remoting", "config", "preflight", "local"]),
    ("cli", &["node", "broker", "namesrv", "admin", "store", "net", "remoting", "config", "preflight", "tune"]),
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("the sources are readable") {
            let path = entry.expect("the sources are readable").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The file's code without its comments and without its tests.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).expect("the sources are readable");
    let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// The rooms that a file names as `crate::room`, also inside `use crate::{...}`.
fn rooms_named(code: &str) -> Vec<String> {
    let mut rooms = Vec::new();
    for (place, _) in code.match_indices("crate::") {
        let rest = &code[place + "crate::".len()..];
        if let Some(list) = rest.strip_prefix('{') {
            let mut depth = 0;
            let mut word = String::new();
            let mut at_start = true;
            for letter in list.chars() {
                match letter {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => at_start = true,
                    _ => {}
                }
                if letter.is_alphanumeric() || letter == '_' {
                    if at_start {
                        word.push(letter);
                    }
                } else if !word.is_empty() {
                    rooms.push(std::mem::take(&mut word));
                    at_start = letter == ',' && depth == 0;
                }
            }
            if !word.is_empty() {
                rooms.push(word);
            }
        } else {
            rooms.push(rest.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect());
        }
    }
    rooms
}

#[test]
fn rooms_know_only_the_rooms_below_them() {
    let src = root().join("src");
    let mut wrong = Vec::new();
    for path in sources(&src) {
        let inside = path.strip_prefix(&src).expect("found below src");
        let room = inside.components().next().expect("a name").as_os_str().to_string_lossy().replace(".rs", "");
        if room == "lib" || room == "main" {
            continue;
        }
        let Some((_, known)) = MAY_KNOW.iter().find(|(name, _)| *name == room) else {
            wrong.push(format!("{}: the room {room} has no line in MAY_KNOW", inside.display()));
            continue;
        };
        for named in rooms_named(&code(&path)) {
            let is_room = MAY_KNOW.iter().any(|(name, _)| *name == named);
            if is_room && named != room && !known.contains(&named.as_str()) {
                wrong.push(format!("{}: {room} must not know {named}", inside.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn imports_our_glommio(path: &Path) -> bool {
    let code = code(path);
    let mut imports = code.split("use ").skip(1).filter_map(|rest| rest.split(';').next());
    imports.any(|import| (import.starts_with("super::") || import.starts_with("crate::runtime::")) && import.contains("glommio"))
}

#[test]
fn only_the_glommio_runtime_and_the_bare_floor_name_glommio() {
    let root = root();
    let mut wrong = Vec::new();
    for folder in ["src", "shards/src", "bench/src", "tests"] {
        for path in sources(&root.join(folder)) {
            let inside = path.strip_prefix(&root).expect("found below the root");
            // The floor under our figures is glommio's own sockets without us: it has no runtime to stand behind.
            let is_floor = inside == Path::new("bench/src/floor/glommio.rs");
            if inside.starts_with("shards/src/runtime/glommio") || inside.ends_with("architecture.rs") || is_floor {
                continue;
            }
            // Naming our own module `runtime::glommio` is how one asks for that runtime; the package is named without it.
            let code = code(&path).replace("runtime::glommio", "").replace("super::glommio", "").replace("self::glommio", "");
            // In `runtime/`, an import of that module hides the package: only `::glommio` would still reach it.
            let hidden = inside.starts_with("shards/src/runtime") && imports_our_glommio(&path);
            let forbidden = if hidden { " ::glommio" } else { "glommio::" };
            for (number, line) in code.lines().enumerate() {
                if line.contains(forbidden) {
                    wrong.push(format!("{}:{}: {line}", inside.display(), number + 1));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn in_shards_only_the_runtime_awaits() {
    let src = root().join("shards/src");
    for path in sources(&src) {
        let inside = path.strip_prefix(&src).expect("found below src");
        if inside.starts_with("runtime") {
            continue;
        }
        assert!(!code(&path).contains(".await"), "{} awaits outside of runtime/", inside.display());
    }
}

#[test]
fn the_rule_reads_both_forms_of_use() {
    assert_eq!(rooms_named("use crate::net::Flow;"), ["net"]);
    assert_eq!(rooms_named("use crate::{net::{Flow, Service}, remoting::frame};"), ["net", "remoting"]);
}
