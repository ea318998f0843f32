//! Which control groups a process is in, and where their files stand: one tree in version 2, one per controller in version 1.

use super::root::Root;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    One,
    Two,
}

#[derive(Debug, Clone, Default)]
pub struct Groups(Vec<Group>);

#[derive(Debug, Clone)]
struct Group {
    version: Version,
    /// Version 1's, that stand behind this mount; empty in version 2, whose one tree has them all.
    controllers: Vec<String>,
    mount: String,
    /// Below the mount, without a trailing slash: empty for the root group.
    path: String,
}

impl Groups {
    pub fn of(root: &Root, pid: u32) -> Self {
        let groups = root.text(&format!("/proc/{pid}/cgroup")).unwrap_or_default();
        let mounts = root.text("/proc/self/mountinfo").unwrap_or_default();
        // `7:blkio:/store`, or `0::/store` in version 2.
        let group = |line: &str| {
            let mut parts = line.splitn(3, ':');
            let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
            let version = if controllers.is_empty() { Version::Two } else { Version::One };
            let controllers: Vec<_> = controllers.split(',').filter(|name| !name.is_empty()).map(str::to_string).collect();
            let (mount, begins) = mounts.lines().find_map(|line| mount(line, version, &controllers))?;
            // In a container the mount may begin at the container's own group.
            let path = path.strip_prefix(begins.trim_end_matches('/')).unwrap_or(path).trim_end_matches('/').to_string();
            Some(Group { version, controllers, mount, path })
        };
        Self(groups.lines().filter_map(group).collect())
    }

    /// What `read` finds in the nearest group upwards, of the tree that has this controller.
    pub fn nearest<T>(&self, controller: &str, read: impl Fn(Version, &str) -> Option<T>) -> Option<T> {
        // Where both versions are mounted a controller is in one of them; the other's group lacks its files.
        self.0
            .iter()
            .filter(|group| group.version == Version::Two || group.controllers.iter().any(|name| name == controller))
            .find_map(|group| {
                let mut path = group.path.as_str();
                loop {
                    if let Some(found) = read(group.version, &format!("{}{path}", group.mount)) {
                        return Some(found);
                    }
                    path = &path[..path.rfind('/')?];
                }
            })
    }
}

/// Mount point and where in the hierarchy it begins, when a line of mountinfo is this tree's:
/// `31 23 0:27 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu`.
fn mount(line: &str, version: Version, controllers: &[String]) -> Option<(String, String)> {
    let (place, kind) = line.split_once(" - ")?;
    let kind: Vec<_> = kind.split(' ').collect();
    let ours = match version {
        Version::Two => kind.first() == Some(&"cgroup2"),
        Version::One => {
            let options: Vec<_> = kind.get(2)?.split(',').collect();
            kind.first() == Some(&"cgroup") && controllers.iter().any(|name| options.contains(&name.as_str()))
        }
    };
    let mut words = place.split(' ').skip(3);
    let (begins, point) = (words.next()?, words.next()?);
    ours.then(|| (point.to_string(), begins.to_string()))
}
