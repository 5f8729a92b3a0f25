//! Random steps against a service on each database, beside a naive model: the same cases in every run, and more of others for
//! whoever asks for them (`LOOPLEDGER_TEST_CASES`, `LOOPLEDGER_TEST_SEED`).

use crate::harness::{Kind, postgres_is_here};
use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::cell::RefCell;
use std::collections::BTreeMap;

/// How often what happened.
pub type Happened = BTreeMap<&'static str, usize>;

/// Runs so many cases from a seed; each of `all` must have happened more than `least` times, else they prove little. Whoever asks
/// for others is told how often what happened.
pub fn every_case<S: Strategy>(
    steps: &S,
    (cases, seed): (u8, u8),
    run: impl Fn(Kind, &S::Value) -> Happened,
    (all, least): (&[&str], usize),
) {
    let kinds: &[Kind] = if postgres_is_here() { &[Kind::Sqlite, Kind::Postgres] } else { &[Kind::Sqlite] };
    let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u8>().ok());
    let cases = number("LOOPLEDGER_TEST_CASES").unwrap_or(cases);
    let seed = [number("LOOPLEDGER_TEST_SEED").unwrap_or(seed); 32];
    let config = Config { cases: u32::from(cases), failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &seed));
    let total = RefCell::new(Happened::new());
    let outcome = runner.run(steps, |steps| {
        for kind in kinds {
            for (event, count) in run(*kind, &steps) {
                *total.borrow_mut().entry(event).or_default() += count;
            }
        }
        Ok(())
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
    let total = total.into_inner();
    if number("LOOPLEDGER_TEST_SEED").is_some() {
        return eprintln!("{total:?}");
    }
    for event in all {
        assert!(total.get(event).is_some_and(|count| *count > least), "{event} hardly happened: {total:?}");
    }
}
