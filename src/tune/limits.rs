//! Hard limits of processes: those of this login, and those that the files of pam_limits promise to the next one.

use super::tree::Tree;

/// The best hard limit there is (`nofile`, `memlock`), in the unit that limits.conf has: numbers, KiB for memlock.
/// Our own file counts, so that what is applied is as wanted before the next login.
pub(super) fn hard(tree: &Tree, name: &str) -> Result<String, String> {
    let mut files = vec!["etc/security/limits.conf".to_string()];
    files.extend(tree.expand("etc/security/limits.d/*.conf"));
    let texts = files.iter().filter_map(|file| tree.read(file).ok());
    let mut found: Vec<u64> =
        texts.flat_map(|text| text.lines().filter_map(|line| promised(line, name)).collect::<Vec<_>>()).collect();
    let now = tree.read("proc/self/limits").map_err(|error| format!("{}: {error}", tree.shown("proc/self/limits")));
    match now {
        Ok(text) => found.extend(now_hard(&text, name)),
        Err(reason) if found.is_empty() => return Err(reason),
        Err(_) => {}
    }
    let best = found.into_iter().max().ok_or_else(|| format!("no limit of the name {name}"))?;
    Ok(if best == u64::MAX { "unlimited".to_string() } else { best.to_string() })
}

/// A login fails altogether if its limit of files is above the kernel's, `fs.nr_open`.
pub(super) fn below_roof(name: &str, value: &str, roof: Option<&str>) -> Result<(), String> {
    let roof = roof.and_then(|text| text.trim().parse::<u64>().ok());
    match (name, roof, value.parse::<u64>()) {
        ("nofile", Some(roof), Ok(value)) if value > roof => Err(format!("fs.nr_open is {roof}: apply nr-open first")),
        _ => Ok(()),
    }
}

fn promised(line: &str, name: &str) -> Option<u64> {
    let words: Vec<&str> = line.split('#').next()?.split_whitespace().collect();
    match words.as_slice() {
        ["*", "hard" | "-", item, value] if *item == name => number(value),
        _ => None,
    }
}

fn now_hard(text: &str, name: &str) -> Option<u64> {
    let (title, unit) = match name {
        "nofile" => ("Max open files", 1),
        "memlock" => ("Max locked memory", 1024),
        _ => return None,
    };
    let line = text.lines().find_map(|line| line.strip_prefix(title))?;
    let limit = number(line.split_whitespace().nth(1)?)?;
    Some(if limit == u64::MAX { limit } else { limit / unit })
}

fn number(text: &str) -> Option<u64> {
    if ["unlimited", "infinity", "-1"].contains(&text) { Some(u64::MAX) } else { text.parse().ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_as_pam_and_the_kernel_write_them() {
        assert_eq!(promised("*  hard nofile 655350 # more", "nofile"), Some(655_350));
        assert_eq!(promised("* - memlock unlimited", "memlock"), Some(u64::MAX));
        assert_eq!(promised("* soft nofile 9", "nofile"), None);
        assert_eq!(promised("mysql hard nofile 9", "nofile"), None);
        assert_eq!(promised("#* hard nofile 9", "nofile"), None);
        let text = "Max open files            1024                 524288               files\n\
                    Max locked memory         8388608              8388608              bytes\n";
        assert_eq!(now_hard(text, "nofile"), Some(524_288));
        assert_eq!(now_hard(text, "memlock"), Some(8192));
    }
}
