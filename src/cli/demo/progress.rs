//! How far the demo is.

use crate::cli::demo::devices::{Device, Outcome};
use crate::domain::rule_set::RuleSet;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Statements beside those about single devices of the café: everybody joins, the gift, and the lots of the made set. The
/// lots of a large file take some hundreds more.
const BESIDE: u64 = 300;

/// A bar on a terminal, nothing elsewhere.
pub(super) fn bar(devices: &[Device], rules: &RuleSet) -> ProgressBar {
    let expected = BESIDE + devices.iter().map(|device| statements_about(device, rules)).sum::<u64>();
    let bar = ProgressBar::with_draw_target(Some(expected), ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("DEMO DATA {bar:40} {pos}/{len} statements, {per_sec}, {eta} left");
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar
}

/// How often a device is spoken of alone: registered, and what its outcome leads to.
fn statements_about(device: &Device, rules: &RuleSet) -> u64 {
    match device.outcome {
        Outcome::Unknown => 1,
        // Tested.
        Outcome::Repairable => 2,
        // Tested, retired.
        Outcome::EndOfLife => 3,
        // Tested, repaired, prepared, put in use, and wiped where it bears data.
        Outcome::Fixed => 5 + u64::from(rules.class(&device.class).is_none_or(|class| class.data_bearing)),
    }
}
