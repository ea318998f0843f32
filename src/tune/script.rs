//! The plan of this machine as plain POSIX sh, for hosts where the program itself shall not run as root.
//!
//! The script holds each value that was seen and the one to write. It writes only over the value that was seen, so
//! that it lowers nothing that was raised meanwhile; `undo` writes only over its own.

use std::collections::BTreeSet;

use super::Answer;
use super::limits;
use super::own_files;
use super::rule;
use super::state::{Key, Limit, OwnFile};
use super::survey::{Outcome, Survey};
use super::tree::Tree;

pub(super) fn script(tree: &Tree, survey: &Survey) -> Result<Answer, String> {
    let (mut keys, mut promised) = (Vec::new(), Vec::new());
    let (mut apply, mut back, mut beside) = (String::new(), String::new(), String::new());
    for finding in &survey.findings {
        let (id, path) = (&finding.setting.id, &finding.path);
        let value = match &finding.outcome {
            Outcome::Differs(value) => value,
            Outcome::Unsupported(reason) => {
                apply += &format!("# {id}: unsupported where this was printed: {reason}\n");
                continue;
            }
            Outcome::AsWanted | Outcome::Shown => continue,
        };
        if let Some(name) = path.strip_prefix("limits/") {
            let planned = survey.findings.iter().find_map(|other| match &other.outcome {
                Outcome::Differs(value) if other.path == "proc/sys/fs/nr_open" => Some(value.clone()),
                _ => None,
            });
            let roof = planned.or_else(|| tree.read("proc/sys/fs/nr_open").ok());
            match limits::below_roof(name, value, roof.as_deref()) {
                Ok(()) => promised.push(Limit { name: name.to_string(), value: value.clone() }),
                Err(reason) => apply += &format!("complain {}\n", quoted(format!("{name}: {reason}"))),
            }
            continue;
        }
        let before = finding.current.clone().unwrap_or_default();
        let ours = tree.as_kernel_would(path, value);
        apply += &format!("\n# {}\n", finding.setting.why);
        let texts = [rule::chosen(&before), value, &ours, &before].map(quoted);
        let [seen, wanted, ours_text, before_text] = &texts;
        apply += &format!("set_key {} {seen} {wanted} {ours_text}\n", quoted(path));
        back += &format!("set_key {} {wanted} {seen} {before_text}\n", quoted(path));
        for touched in &finding.touches {
            if let Ok(text) = tree.read(touched) {
                beside += &format!("put_back {} {}\n", quoted(touched), quoted(&text));
            }
        }
        keys.push(Key { id: id.clone(), path: path.clone(), before, value: value.clone(), ours, touched: Vec::new() });
    }
    let files = own_files::wanted(&keys, &promised);
    // Files that a run of the tool made here already say more than this plan does.
    if let Some(file) = files.iter().find(|file| tree.exists(&file.path) && !own_files::is_as(tree, file)) {
        return Err(format!(
            "{}: already there; run 'ringmq tune undo' first, so that the script is whole",
            tree.shown(&file.path)
        ));
    }
    let made: String = files.iter().map(make).collect();
    let mut removed: String = files.iter().map(|file| format!("remove_own {}\n", quoted(&file.path))).collect();
    // Innermost first: what is empty then was made by the script.
    let folders: BTreeSet<String> = files.iter().flat_map(|file| tree.missing_folders(&file.path)).collect();
    folders.iter().rev().for_each(|folder| removed += &format!("remove_folder {}\n", quoted(folder)));
    let (profile, shards) = (survey.profile.name(), survey.machine.shards);
    let head = format!(
        "#!/bin/sh\n# RingMQ's kernel settings: profile {profile}, {shards} shard(s), as 'ringmq tune script' found them to differ.\n"
    );
    // Keys are put back twice: one that takes no 0 (vm.dirty_bytes) gets there through its neighbour.
    let undo = format!("quiet=yes\n{back}\n{beside}\nquiet=\n{back}\n{removed}");
    let text = format!("{head}{FUNCTIONS}\nif [ \"$verb\" = undo ]; then\n{undo}exit $code\nfi\n\n{apply}\n{made}exit $code\n");
    Ok(Answer { text, as_wanted: true })
}

fn make(file: &OwnFile) -> String {
    if file.is_link {
        return format!("link_own {} {}\n", quoted(&file.path), quoted(&file.text));
    }
    format!("write_own {} <<'END_OF_FILE'\n{}END_OF_FILE\n", quoted(&file.path), file.text)
}

/// As one word of sh, line ends included.
fn quoted(text: impl AsRef<str>) -> String {
    format!("'{}'", text.as_ref().replace('\'', "'\\''"))
}

const FUNCTIONS: &str = r##"# Usage: sh SCRIPT [apply|undo] [ROOT]     ROOT: a trial tree instead of /
# Exit code: 0 all as wanted, 1 something was left or could not be written (it is named).
set -u
verb=${1:-apply}
root=${2:-}
code=0
quiet=
case $verb in apply | undo) ;; *) echo "usage: $0 [apply|undo] [ROOT]" >&2; exit 2 ;; esac

# Not beside another run; the root is locked as the program does it.
if command -v flock > /dev/null; then
    exec 9< "${root:-/}"
    flock -n 9 || { echo "$0: another run changes ${root:-/}; try again when it is done" >&2; exit 1; }
fi

complain() {
    [ -n "$quiet" ] && return
    echo "$1" >&2
    code=1
}

# What a key holds: the word in brackets where there is a choice, else all of it with single blanks.
value_of() {
    sed -n -e 's/.*\[\(.*\)\].*/\1/' -e 's/[[:space:]][[:space:]]*/ /g' -e 's/^ //' -e 's/ $//' -e p "$1"
}

# path, the value to write over, the value to write, and what the file then reads on a trial tree
set_key() {
    file=$root/$1
    [ -e "$file" ] || { complain "$1: no such file"; return; }
    now=$(value_of "$file")
    seen=$(printf '%s' "$2" | tr -s '[:space:]' ' ')
    wanted=$(printf '%s' "$3" | tr -s '[:space:]' ' ')
    [ "$now" = "$wanted" ] && return
    [ "$now" = "$seen" ] || { complain "$1: it is '$now', neither '$seen' nor '$wanted': left"; return; }
    if [ -n "$root" ]; then text=$4; else text="$3
"; fi
    { printf '%s' "$text" > "$file"; } 2> /dev/null || complain "$1: cannot be written here"
}

# path and what it read: for what the kernel changes along with a key
put_back() {
    [ "$(cat "$root/$1")" = "$2" ] || { printf '%s' "$2" > "$root/$1"; } 2> /dev/null || complain "$1: cannot be written here"
}

first_line="# Written by 'ringmq tune apply'; 'ringmq tune undo' removes it."

write_own() {
    mkdir -p "$(dirname "$root/$1")" && cat > "$root/$1" || complain "$1: cannot be written here"
}

link_own() {
    mkdir -p "$(dirname "$root/$1")" && ln -sfn "$2" "$root/$1" || complain "$1: cannot be written here"
}

remove_folder() {
    rmdir "$root/$1" 2> /dev/null || :
}

remove_own() {
    if [ -L "$root/$1" ] || [ "$(head -n 1 "$root/$1" 2> /dev/null)" = "$first_line" ]; then rm -f "$root/$1"; fi
}
"##;
