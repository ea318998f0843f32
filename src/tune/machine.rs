//! The facts that forms and rows ask for: cores, memory, kernel.

use super::tree::Tree;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Machine {
    pub kernel: String,
    pub cores: u64,
    pub memory_bytes: u64,
    pub shards: u64,
}

pub(super) fn look(tree: &Tree, shards: Option<u64>) -> Result<Machine, String> {
    let read = |path: &str| tree.read(path).map_err(|error| format!("{}: {error}; is --root right?", tree.shown(path)));
    let memory = read("proc/meminfo")?;
    let kib =
        memory.lines().find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    let memory_bytes = kib.ok_or_else(|| format!("{}: no line MemTotal", tree.shown("proc/meminfo")))? << 10;
    let cores = read("proc/cpuinfo")?.lines().filter(|line| line.starts_with("processor")).count().max(1) as u64;
    let kernel = read("proc/sys/kernel/osrelease")?.trim().to_string();
    Ok(Machine { kernel, cores, memory_bytes, shards: shards.unwrap_or(cores) })
}

impl Machine {
    /// Whether the kernel is this version or a later one; what cannot be read as a version counts as old.
    pub(super) fn has_kernel(&self, version: &str) -> bool {
        let numbers = |text: &str| {
            let mut parts = text.split(|letter: char| !letter.is_ascii_digit()).map(|part| part.parse::<u32>().unwrap_or(0));
            (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
        };
        numbers(&self.kernel) >= numbers(version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_as_numbers() {
        let machine = |kernel: &str| Machine { kernel: kernel.to_string(), cores: 1, memory_bytes: 0, shards: 1 };
        assert!(machine("5.14.0-427.el9").has_kernel("5.9"));
        assert!(!machine("5.8.0").has_kernel("5.9"));
        assert!(machine("6.10.2").has_kernel("6.6"));
    }
}
