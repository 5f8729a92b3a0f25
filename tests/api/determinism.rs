//! The same statements in the same order and at the same times give byte-identical entries: in any batching, posted by
//! one worker or by four, on both databases; and replay gives the same state every time.

use crate::corrections::instead;
use crate::harness::{
    Kind, NOON_MS, OperatorKeys, Party, TestApp, TestDatabase, found, given_clock, jwk, kid, laptop_fields,
    operator_id, payload, postgres_is_here, sign_bytes, signed,
};
use crate::story::Story;
use ed25519_dalek::SigningKey;
use loopledger::domain::apply::{Context, apply};
use loopledger::domain::fields::Field;
use loopledger::domain::ids::{EntryIndex, Origin};
use loopledger::domain::state::State;
use loopledger::domain::time::LedgerTime;
use loopledger::ledger::Ledger;
use loopledger::ledger::audit::audit;
use loopledger::ledger::opening::{self, Settings, Sharing};
use loopledger::ledger::posting::{Mode, Outcome};
use loopledger::ledger::replay::checked::{Keys, check_all};
use loopledger::ledger::replay::{Keep, NotTaken, Replay, Taken};
use loopledger::proof::entry::{ChainHash, Entry};
use loopledger::proof::statement::Unverified;
use loopledger::store::head::Head;
use loopledger::store::workspace::Workspace;
use loopledger::store::{Store, entries, records};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use uuid::Uuid;
use zeroize::Zeroizing;

/// What happens next, drawn at random; much of it is refused.
#[derive(Debug, Clone)]
enum Step {
    Join { who: u8 },
    AddKey { who: u8 },
    Revoke { who: u8, by_operator: bool },
    Register { who: u8, item: u8, class: bool },
    Test { who: u8, item: u8, waste: bool },
    Live { who: u8, item: u8, event: u8 },
    Offer { who: u8, to: u8, item: u8, handover: u8 },
    Answer { who: u8, handover: u8, accepts: bool },
    Repeat { back: u8 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..4_u8).prop_map(|who| Step::Join { who }),
        (0..4_u8).prop_map(|who| Step::AddKey { who }),
        (0..4_u8, any::<bool>()).prop_map(|(who, by_operator)| Step::Revoke { who, by_operator }),
        (0..4_u8, 0..12_u8, any::<bool>()).prop_map(|(who, item, class)| Step::Register { who, item, class }),
        (0..4_u8, 0..12_u8, any::<bool>()).prop_map(|(who, item, waste)| Step::Test { who, item, waste }),
        (0..4_u8, 0..12_u8, 0..10_u8).prop_map(|(who, item, event)| Step::Live { who, item, event }),
        (0..4_u8, 0..4_u8, 0..12_u8, 0..6_u8).prop_map(|(who, to, item, handover)| Step::Offer {
            who,
            to,
            item,
            handover
        }),
        (0..4_u8, 0..6_u8, any::<bool>()).prop_map(|(who, handover, accepts)| Step::Answer { who, handover, accepts }),
        (1..6_u8).prop_map(|back| Step::Repeat { back }),
    ]
}

fn id(space: u128, number: u128) -> String {
    Uuid::from_u128(0x0193_0000_0000_7000_9000_0000_0000_0000 | space << 32 | number).to_string()
}

fn party(who: u8) -> Party {
    Party { id: id(1, who.into()), key: SigningKey::from_bytes(&[100 + who; 32]), token: String::new() }
}

/// Statements with fixed ids, so that every run posts the same bytes.
fn statements(steps: &[Step]) -> Vec<String> {
    let keys = OperatorKeys::fixed();
    let operator = Party { id: operator_id().to_string(), key: keys.operator, token: String::new() };
    let mut made: Vec<String> = Vec::new();
    for (number, step) in steps.iter().enumerate() {
        let say = |party: &Party, kind: &str, mut fields: serde_json::Value| {
            fields["id"] = json!(id(3, number as u128));
            sign_bytes(&party.key, payload(&party.id, kind, &fields).to_string().as_bytes())
        };
        made.push(match step {
            Step::Join { who } => {
                let fields =
                    json!({"organisation": party(*who).id, "roles": ["donor", "beneficiary"], "country": "XD"});
                say(&operator, "organisation_registered", fields)
            }
            Step::AddKey { who } => {
                let party = party(*who);
                say(&operator, "key_registered", crate::harness::key_fields(&party.id, &party.key))
            }
            Step::Revoke { who, by_operator } => {
                let party = party(*who);
                let fields = json!({"kid": kid(&party.key), "reason": "superseded"});
                say(if *by_operator { &operator } else { &party }, "key_revoked", fields)
            }
            Step::Register { who, item, class } => {
                let mut fields = laptop_fields(&id(2, (*item).into()));
                fields["class"] = json!(if *class { "0303" } else { "none" });
                say(&party(*who), "registered", fields)
            }
            Step::Test { who, item, waste } => {
                let result = if *waste { "waste" } else { "works" };
                say(&party(*who), "tested", json!({"item": id(2, (*item).into()), "result": result}))
            }
            Step::Live { who, item, event } => {
                let item = id(2, (*item).into());
                let (name, fields) = match event {
                    0 => ("repaired", json!({"item": item})),
                    1 => ("data_sanitised", wipe(&item)),
                    2 => ("prepared_for_reuse", json!({"item": item})),
                    3 => ("put_in_use", json!({"item": item, "country": "XD"})),
                    8 => ("merged", json!({"inputs": [item], "lot": id(5, number as u128)})),
                    9 => ("split", halve(&item)),
                    4 => ("retired", json!({"item": item, "arising": {"country": "XD", "month": "2026-11"}, "counted_elsewhere": "none"})),
                    5 => ("reweighed", reweigh(&item)),
                    6 => ("released", json!({"item": item, "reason": "part_sale"})),
                    _ => ("lost", json!({"item": item, "cause": "missing"})),
                };
                say(&party(*who), name, fields)
            }
            Step::Offer { who, to, item, handover } => {
                let (handover, item) = (id(4, (*handover).into()), id(2, (*item).into()));
                let fields = json!({"handover": handover, "to": party(*to).id, "items": [item]});
                say(&party(*who), "handover_offered", fields)
            }
            Step::Answer { who, handover, accepts: true } => {
                say(&party(*who), "handover_accepted", json!({"handover": id(4, (*handover).into())}))
            }
            Step::Answer { who, handover, accepts: false } => {
                let fields = json!({"handover": id(4, (*handover).into()), "reason": "damaged"});
                say(&party(*who), "handover_refused", fields)
            }
            Step::Repeat { back } => {
                let at = made.len().saturating_sub(usize::from(*back));
                made.get(at).cloned().unwrap_or_else(|| jwk(&operator.key).to_string())
            }
        });
    }
    made
}

fn wipe(item: &str) -> serde_json::Value {
    json!({"item": item, "method": "clear", "technique": "overwrite", "verified": true})
}

fn reweigh(item: &str) -> serde_json::Value {
    json!({"item": item, "weight": {"basis": "estimated", "net_g": 2_500}, "reason": "measured"})
}

fn halve(lot: &str) -> serde_json::Value {
    json!({"lot": lot, "parts": [{"lot": id(6, 1), "net_g": 1_000}, {"lot": id(6, 2), "net_g": 2_000}]})
}

fn open(database: &TestDatabase) -> Ledger {
    let clock = given_clock(&Arc::new(AtomicI64::new(NOON_MS)));
    let store = Arc::new(Store::open(&database.url, 4).expect("the database opens"));
    found(&store, &clock, operator_id());
    let settings = Settings {
        clock,
        sealing_key: Zeroizing::new([9; 32]),
        publishing: None,
        sharing: Sharing::default(),
        witnesses: None,
        self_audit: None,
        second_signature: None,
    };
    opening::open(store, settings).expect("the ledger opens")
}

/// Posts all statements in groups of the given sizes, prepared by a number of workers, and gives every entry.
fn run(kind: Kind, statements: &[String], groups: &[usize], workers: usize) -> (Vec<Vec<u8>>, String) {
    let database = TestDatabase::new(kind);
    let ledger = open(&database);
    let mut left = statements;
    for size in groups.iter().cycle() {
        if left.is_empty() {
            break;
        }
        let (now, later) = left.split_at((*size).min(left.len()));
        left = later;
        let prepared = prepare(&ledger, now, workers);
        let outcomes = actix_web::rt::System::new().block_on(ledger.post(prepared, Mode::Each)).expect("posted");
        assert!(
            outcomes
                .iter()
                .all(|outcome| !matches!(outcome, Outcome::Refused(r) if format!("{r:?}").contains("NotPosted")))
        );
    }
    let all = ledger.store.read(|database| entries::page(database, EntryIndex(0), 100_000)).expect("readable");
    let report = ledger.store.snapshot(|database| audit(database, |_, _| {})).expect("readable");
    assert!(report.is_clean(), "{:?}", report.findings);
    (all.into_iter().map(|entry| entry.bytes).collect(), report.state_digest)
}

/// Several workers check signatures at once; the order of the statements is that of the request.
fn prepare(ledger: &Ledger, statements: &[String], workers: usize) -> Vec<loopledger::ledger::posting::Posted> {
    let share = statements.len().div_ceil(workers).max(1);
    std::thread::scope(|scope| {
        let work =
            |chunk: &[String]| chunk.iter().filter_map(|jws| ledger.prepare(jws, Vec::new()).ok()).collect::<Vec<_>>();
        let threads: Vec<_> = statements.chunks(share).map(|chunk| scope.spawn(move || work(chunk))).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("a worker")).collect()
    })
}

/// A lot whose weight is corrected twice, the second time with the word of whoever has it by then.
fn corrections(story: &Story<'_>) {
    let (lot, entry) = story.gate(6_000);
    let (part, rest) = (crate::harness::new_id(), crate::harness::new_id());
    let parts = json!([{"lot": part, "net_g": 2_000}, {"lot": rest, "net_g": 4_000}]);
    story.at_centre("split", json!({"lot": lot, "parts": parts})).accepted();
    let right = |grams| instead(entry, "received", &story.received_fields(&lot, grams));
    story.app.say(&story.centre, "corrected", &right(7_500)).accepted();
    story.send(&part, 2_500, 2_500);
    let correction = story.app.say(&story.centre, "corrected", &right(6_600)).accepted();
    story.app.say(&story.smelter, "correction_confirmed", &json!({"correction": correction})).accepted();
}

/// Statements of a whole story: batches, treatments before and after their audits, an issue; and refusals in between.
fn story() -> Vec<String> {
    let app = TestApp::start(Kind::Sqlite);
    let story = Story::unaudited(&app);
    story.whole_batch(9_000);
    story.audit(&story.centre_site, "2026-11-20", "conforms").accepted();
    let batch = story.batch(20_000);
    let lots: Vec<String> = (0..3).map(|_| story.fraction(&batch, "FE", 5_000)).collect();
    let cage = crate::harness::new_id();
    story.at_centre("merged", json!({"inputs": lots, "lot": cage})).accepted();
    story.send(&cage, 15_000, 14_990);
    story.treat(&cage, 14_990);
    story.audit(&story.smelter_site, "2026-11-21", "conforms").accepted();
    let closed = json!({"batch": batch, "loss_g": 100, "out_of_scope_g": 4_500, "counted_elsewhere": "none"});
    story.at_centre("batch_closed", closed).accepted();
    story.whole_batch(4_000);
    corrections(&story);
    story.issue(Some(12));
    story.issue(None);
    let bytes = app.ledger.store.read(|database| entries::page(database, EntryIndex(0), 10_000)).expect("readable");
    let mut all: Vec<String> =
        bytes[1..].iter().map(|entry| Entry::parse(&entry.bytes).expect("an entry").statement).collect();
    // Again, and under other ids what cannot be said twice.
    for at in (5..all.len()).rev().step_by(4) {
        all.insert(at, all[at - 3].clone());
        let refused = signed(
            &story.smelter,
            "treated_final",
            &json!({
                "item": cage, "operation": "R4", "net_g": 1, "site": story.smelter_site,
            }),
        );
        all.insert(at, refused);
    }
    all
}

#[test]
fn a_whole_story_gives_the_same_bytes_in_any_batching() {
    let kinds: &[Kind] = if postgres_is_here() { &[Kind::Sqlite, Kind::Postgres] } else { &[Kind::Sqlite] };
    let statements = story();
    for groups in [vec![1_000], vec![7], vec![1, 30, 2, 13]] {
        check_statements(kinds, &statements, &groups);
    }
}

fn check(kinds: &[Kind], steps: &[Step], groups: &[usize]) {
    check_statements(kinds, &statements(steps), groups);
}

fn check_statements(kinds: &[Kind], statements: &[String], groups: &[usize]) {
    let (one_by_one, state) = run(Kind::Sqlite, statements, &[1], 1);
    for kind in kinds {
        for workers in [1, 4] {
            let (grouped, other_state) = run(*kind, statements, groups, workers);
            assert_eq!(one_by_one, grouped, "{kind:?}, groups {groups:?}, {workers} workers");
            assert_eq!(state, other_state);
        }
    }
    let digests: Vec<_> = (0..2).map(|_| replayed(&one_by_one)).collect();
    assert_eq!(digests[0], digests[1]);
    assert_eq!(data_encoding::HEXLOWER.encode(&digests[0]), state);
}

/// The rules over a complete state in memory: nothing is ever loaded there, so nothing can be missed.
fn replayed(entries: &[Vec<u8>]) -> [u8; 32] {
    let mut state = State::empty();
    for bytes in entries {
        let entry = Entry::parse(bytes).expect("an entry");
        let said = Unverified::read(&entry.statement).expect("a statement");
        let context = Context {
            index: entry.index,
            time: entry.time,
            signer: said.kid(),
            statement: &said.statement,
            again: None,
        };
        let mut overlay = state.overlay();
        let warnings = apply(&mut overlay, &context).expect("follows");
        let changes = overlay.into_changes();
        let changes = state.placed(changes, entry.index, context.remembered(&warnings));
        state.absorb(changes);
    }
    state.digest()
}

/// The bytes of version 1, for ever: keys, ids and times are fixed, so every entry is.
#[test]
fn version_one_is_frozen() {
    let steps = [
        Step::Join { who: 0 },
        Step::AddKey { who: 0 },
        Step::Register { who: 0, item: 0, class: true },
        Step::Test { who: 0, item: 0, waste: true },
        Step::Revoke { who: 0, by_operator: true },
    ];
    let (entries, state) = run(Kind::Sqlite, &statements(&steps), &[5], 1);
    let lines: String = entries.iter().map(|entry| format!("{}\n", String::from_utf8_lossy(entry))).collect();
    crate::contract::committed("tests/vectors/ledger_v1.jsonl", &lines);
    crate::contract::committed("tests/vectors/ledger_v1.state.txt", &format!("{state}\n"));
}

/// What an operator could frame by hand, correctly chained, and no rule would refuse: replay does.
#[test]
fn replay_refuses_what_cannot_follow() {
    let steps = [
        Step::Join { who: 0 },
        Step::AddKey { who: 0 },
        Step::Register { who: 0, item: 0, class: true },
        Step::Test { who: 0, item: 0, waste: true },
    ];
    let (entries, _) = run(Kind::Sqlite, &statements(&steps), &[4], 1);
    let last = Entry::parse(entries.last().expect("an entry")).expect("an entry");
    let next = Entry {
        index: EntryIndex(last.index.0 + 1),
        prev: ChainHash::of(entries.last().expect("an entry")),
        ..last.clone()
    };
    let earlier = LedgerTime::from_ms(last.time.ms() - 1).expect("a time");
    let fresh = statements(&[
        Step::Join { who: 1 },
        Step::Join { who: 2 },
        Step::Join { who: 3 },
        Step::Join { who: 1 },
        Step::Join { who: 2 },
    ])
    .pop()
    .expect("a statement");
    let table = [
        (next.clone(), "used this statement's id before"),
        (Entry { time: earlier, statement: fresh.clone(), ..next.clone() }, "before that of the entry before"),
        (Entry { index: last.index, statement: fresh.clone(), ..next.clone() }, "stands at"),
        (Entry { prev: last.prev, statement: fresh.clone(), ..next.clone() }, "prev is not the hash"),
        (Entry { ledger: other_origin(), statement: fresh.clone(), ..next.clone() }, "stands at"),
    ];
    for (entry, words) in table {
        let problem = taken(&entries).take(&entry.to_bytes()).err().expect("refused");
        assert!(problem.to_string().contains(words), "{problem}");
    }
    taken(&entries).take(&Entry { statement: fresh, ..next }.to_bytes()).expect("this one follows");
    let mut reframed = Replaying::start(other_origin());
    let first = Entry { ledger: other_origin(), ..Entry::parse(&entries[0]).expect("an entry") };
    let problem = reframed.take(&first.to_bytes()).err().expect("refused");
    assert!(problem.to_string().contains("was made for"), "{problem}");
}

/// A ledger that was written before compositions, borders and the second rule set: it replays, entry by entry, with the
/// warnings of its day and its masses where they were.
#[test]
fn an_earlier_ledger_still_replays() {
    let entries = include_str!("../ledgers/first.jsonl");
    let mut replay = Replaying::start(Origin::parse(crate::harness::ORIGIN).expect("an origin"));
    for (entry, warnings) in entries.lines().zip(include_str!("../ledgers/first.warnings.jsonl").lines()) {
        let taken = replay.take(entry.as_bytes()).expect("follows");
        assert_eq!(taken.warnings.write().map(|value| value.to_string()).as_deref(), Some(warnings));
    }
    assert_eq!(replay.replay.head.size(), u64::try_from(entries.lines().count()).expect("few"));
    let accounts = records::accounts(replay.workspace.database()).expect("readable");
    let mut sums: std::collections::BTreeMap<String, i64> = std::collections::BTreeMap::new();
    for (account, grams) in &accounts {
        *sums.entry(account.account.to_string()).or_default() += grams;
    }
    let balance: serde_json::Value = serde_json::from_str(include_str!("../ledgers/first.balance.json")).expect("JSON");
    sums.retain(|_, grams| *grams != 0);
    assert_eq!(serde_json::to_value(sums).expect("JSON"), balance["accounts_g"]);
}

fn other_origin() -> Origin {
    Origin::parse("ledger.test/other").expect("an origin")
}

/// A replay that writes down each entry by itself.
struct Replaying {
    workspace: Workspace,
    replay: Replay,
    keys: Keys,
}

impl Replaying {
    fn start(origin: Origin) -> Self {
        let workspace = Workspace::temporary().expect("a workspace");
        Self { workspace, replay: Replay::behind(origin, Keep::Entries, Head::start()), keys: Keys::default() }
    }

    fn take(&mut self, bytes: &[u8]) -> Result<Taken, NotTaken> {
        let Self { workspace, replay, keys } = self;
        workspace.transaction(|database| {
            let mut batch = check_all(vec![bytes.to_vec()], keys, 1);
            replay.prepare(database, &batch)?;
            let taken = replay.take(database, keys, batch.pop().expect("an entry"))?;
            replay.write(database)?;
            Ok(taken)
        })
    }
}

fn taken(entries: &[Vec<u8>]) -> Replaying {
    let mut replaying = Replaying::start(Origin::parse(crate::harness::ORIGIN).expect("an origin"));
    for entry in entries {
        replaying.take(entry).expect("follows");
    }
    replaying
}

#[test]
fn any_batching_gives_the_same_bytes() {
    let kinds: &[Kind] = if postgres_is_here() { &[Kind::Sqlite, Kind::Postgres] } else { &[Kind::Sqlite] };
    let config = Config { cases: 12, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let strategy = (proptest::collection::vec(step(), 1..160), proptest::collection::vec(1..40_usize, 1..6));
    let outcome = runner.run(&strategy, |(steps, groups)| {
        check(kinds, &steps, &groups);
        Ok(())
    });
    outcome.expect("byte-identical");
}
