//! A sequence whose last step differs, made shorter as long as its last step still does: halves first, then single steps.

use super::random::Both;

/// Each try asks both sides everything once more.
const TRIES_MAX: usize = 60;

pub fn shrink(both: &Both<'_>, steps: &[String]) -> Vec<String> {
    let differs =
        |steps: &[String]| both.find(steps).is_ok_and(|found| found.is_some_and(|found| found.index + 1 == steps.len()));
    shortest(steps, differs)
}

fn shortest(steps: &[String], mut differs: impl FnMut(&[String]) -> bool) -> Vec<String> {
    let (mut steps, mut tries) = (steps.to_vec(), 0);
    let mut size = steps.len() / 2;
    while size > 0 {
        let mut at = 0;
        // The last step is the one that differs.
        while at + 1 < steps.len() && tries < TRIES_MAX {
            let end = (at + size).min(steps.len() - 1);
            let without: Vec<String> = steps[..at].iter().chain(&steps[end..]).cloned().collect();
            tries += 1;
            if differs(&without) {
                steps = without;
            } else {
                at = end;
            }
        }
        size /= 2;
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_needed_goes() {
        let steps: Vec<String> = (0..20).map(|number| number.to_string()).collect();
        let needs = |steps: &[String]| ["3", "11", "19"].iter().all(|needed| steps.iter().any(|step| step == needed));
        assert_eq!(shortest(&steps, needs), ["3", "11", "19"]);
    }

    #[test]
    fn tries_are_bounded() {
        let steps: Vec<String> = (0..500).map(|number| number.to_string()).collect();
        let mut tries = 0;
        shortest(&steps, |_| {
            tries += 1;
            false
        });
        assert_eq!(tries, TRIES_MAX);
    }
}
