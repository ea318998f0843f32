//! What an administrator's sysctl files say, beside what is set now: the next boot must not find our smaller value last.

use super::own_files;
use super::tree::Tree;

/// Where sysctl and systemd-sysctl look.
const FOLDERS: [&str; 5] = ["etc/sysctl.d", "run/sysctl.d", "usr/local/lib/sysctl.d", "usr/lib/sysctl.d", "lib/sysctl.d"];

/// The values of a key (`proc/sys/...`) in all files of sysctl but our own.
pub(super) fn values(tree: &Tree, key: &str) -> Vec<String> {
    let mut files = vec!["etc/sysctl.conf".to_string()];
    let found = FOLDERS.iter().flat_map(|folder| tree.expand(&format!("{folder}/*.conf")));
    files.extend(found.filter(|file| file != own_files::SYSCTL));
    let texts = files.iter().filter_map(|file| tree.read(file).ok());
    texts.flat_map(|text| text.lines().filter_map(|line| value(line, key)).collect::<Vec<_>>()).collect()
}

fn value(line: &str, key: &str) -> Option<String> {
    let line = line.trim();
    if line.starts_with(['#', ';']) {
        return None;
    }
    let (name, value) = line.split_once('=')?;
    // `-` tells sysctl not to mind an error; names are written with dots or with slashes.
    let name = name.trim().trim_start_matches('-').replace('.', "/");
    (Some(name.as_str()) == key.strip_prefix("proc/sys/")).then(|| value.trim().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_sysctl_reads_them() {
        let key = "proc/sys/net/core/somaxconn";
        for line in ["net.core.somaxconn=9", " net.core.somaxconn = 9 ", "-net.core.somaxconn=9", "net/core/somaxconn=9"] {
            assert_eq!(value(line, key).as_deref(), Some("9"), "{line}");
        }
        for line in ["# net.core.somaxconn=9", "; net.core.somaxconn=9", "net.core.rmem_max=9", "", "nonsense"] {
            assert_eq!(value(line, key), None, "{line}");
        }
    }
}
