//! Lives of certificates that a dishonest operator made up: what could not have been said by whoever says it, or leaves out a step,
//! is found from the bundle alone.

use crate::bundles::anchor;
use crate::certificate_lives::{retire, sell, split};
use crate::forgeries::expect_lie;
use crate::forging::Workshop;
use crate::harness::{Kind, Party, TestApp, kid, new_id};
use crate::replacements::{Error, units};
use crate::story::Story;
use loopledger::proof::verify::{Rejection, verify};
use serde_json::{Value, json};

/// A workshop that has these parties' keys too.
fn workshop(story: &Story<'_>, serial: &str, parties: &[&Party]) -> Workshop {
    let mut workshop = Workshop::of(story, serial, Vec::new());
    workshop.keys.extend(parties.iter().map(|party| (kid(&party.key), party.key.clone())));
    workshop
}

/// Somebody else says what stands there.
fn said_by(workshop: &mut Workshop, at: usize, party: &Party) {
    workshop.said[at].0 = kid(&party.key);
    workshop.said[at].1["org"] = json!(party.id);
}

/// One more statement, like one of the first type that stands there, by somebody.
fn say(workshop: &mut Workshop, at: usize, party: &Party, kind: &str, fields: &Value) {
    workshop.insert_by(at, "certificate_issued", fields);
    workshop.said[at].1["type"] = json!(kind);
    said_by(workshop, at, party);
}

#[test]
fn hands_and_parts() {
    let app = TestApp::start(Kind::Sqlite);
    let story = Story::begin(&app);
    story.whole_batch(10_000);
    let (buyer, other) = (app.join(&["buyer"]), app.join(&["buyer"]));
    let whole = story.issue(None);
    split(&app, &story.centre, &whole, &[units(1, 4), units(5, 9)]);
    sell(&app, &story.centre, &units(1, 4), &buyer);
    sell(&app, &buyer, &units(1, 4), &other);
    retire(&app, &other, &units(1, 4), &[]).accepted();
    let honest = workshop(&story, &units(1, 4), &[&buyer, &other]);
    let (cut, sold) = (honest.position("certificate_split"), honest.position("certificate_transferred"));
    let (issued, retired) = (honest.position("certificate_issued"), honest.position("certificate_retired"));
    let valid = verify(&honest.bundle(|_| true), Some(&anchor()));
    assert!(valid.is_ok(), "{valid:?}");
    // Each step that is left out of the middle is missed.
    for left_out in [issued, cut, sold, sold + 1] {
        let less = verify(&honest.bundle(|index| index != left_out), Some(&anchor()));
        assert!(matches!(less, Err(Rejection::Invalid(_))), "without {left_out}: {less:?}");
    }
    let held = "another organisation holds this certificate";
    let twice = json!({"certificate": units(1, 4), "to": story.smelter.id});
    expect_lie(&honest, held, |forged| say(forged, sold + 1, &story.centre, "certificate_transferred", &twice));
    expect_lie(&honest, held, |forged| said_by(forged, retired, &story.issuer));
    expect_lie(&honest, held, |forged| said_by(forged, retired, &buyer));
    expect_lie(&honest, held, |forged| said_by(forged, cut, &buyer));
    expect_lie(&honest, "buyers and recyclers hold", |forged| forged.said[sold + 1].1["to"] = json!(story.auditor.id));
    for (into, words) in [
        ([units(1, 4), units(6, 9)], "would be lost"),
        ([units(1, 4), units(4, 9)], "stands in a part before it"),
        ([units(1, 4), units(5, 10)], "are not units of the block"),
        ([units(1, 3), units(4, 9)], "how that came about is not shown"),
    ] {
        expect_lie(&honest, words, |forged| forged.said[cut].1["into"] = json!(into));
    }
    expect_lie(&honest, "was split", |forged| forged.said[sold].1["certificate"] = json!(whole));
    expect_lie(&honest, "within 12 months of the vintage", |forged| {
        forged.said[retired].1["period"]["from"] = json!("2024-01-01");
    });
    expect_lie(&honest, "named twice", |forged| forged.said[retired].1["further"] = json!([units(1, 4)]));
    expect_lie(&honest, "is retired already", |forged| {
        let again = forged.said[retired].1.clone();
        say(forged, retired + 1, &other, "certificate_retired", &again);
    });
    expect_lie(&honest, "is retired already", |forged| {
        let given = json!({"certificate": units(1, 4), "to": buyer.id});
        say(forged, retired + 1, &other, "certificate_transferred", &given);
    });
    for (kind, fields, by, words) in [
        ("certificate_frozen", json!({"reason": "review"}), &story.auditor, "froze this certificate"),
        ("certificate_frozen", json!({"reason": "review"}), &buyer, "needs a role of: auditor"),
        ("certificate_unfrozen", json!({}), &story.issuer, "is not frozen"),
        ("certificate_cancelled", json!({}), &other, "has cancelled this certificate"),
        ("certificate_withdrawn", json!({"reason": "not_eligible"}), &story.issuer, "a buyer holds these units"),
        ("certificate_countersigned", json!({}), &story.auditor, "nothing of it waits"),
    ] {
        let mut fields = fields;
        fields["certificate"] = json!(units(1, 4));
        expect_lie(&honest, words, |forged| say(forged, sold + 2, by, kind, &fields));
    }
    expect_lie(&honest, "related to the centre", |forged| {
        let related = json!({"other": story.centre.id, "kind": "ownership"});
        say(forged, issued, &story.issuer, "relation_declared", &related);
    });
    expect_lie(&honest, "is issued twice", |forged| {
        let again = forged.said[issued].1.clone();
        say(forged, issued + 1, &story.issuer, "certificate_issued", &again);
        forged.said[issued + 1].1["id"] = json!(new_id());
    });
}

/// What the operator issues counts with the signature of somebody who may give it, and not before.
#[test]
fn second_signatures() {
    let app = TestApp::start(Kind::Sqlite);
    let story = Story::begin(&app);
    story.whole_batch(10_000);
    app.say(&app.operator, "certificate_issued", &story.draft(None).json()).accepted();
    let serial = units(1, 9);
    app.say(&story.issuer, "certificate_countersigned", &json!({"certificate": serial})).accepted();
    retire(&app, &story.centre, &serial, &[]).accepted();
    let honest = workshop(&story, &serial, &[]);
    let signed = honest.position("certificate_countersigned");
    let verdict = verify(&honest.bundle(|_| true), Some(&anchor()));
    assert!(verdict.is_ok(), "{verdict:?}");
    expect_lie(&honest, "another organisation signs second", |forged| said_by(forged, signed, &app.operator));
    expect_lie(&honest, "needs a role of: issuer", |forged| said_by(forged, signed, &story.centre));
    let without = verify(&honest.bundle(|index| index != signed), Some(&anchor()));
    let waits = "it waits for a second signature";
    assert!(matches!(&without, Err(Rejection::Invalid(words)) if words.contains(waits)), "{without:?}");
}

/// Who replaces is the issuer, with units that may be given.
#[test]
fn replacements() {
    let app = TestApp::start(Kind::Sqlite);
    let error = Error::after_issue(&app);
    let (sold, stock) = (units(1, 100), units(101, 106));
    error.correct_to(98_200);
    error.replace(&sold, &units(99, 100), &units(103, 104), Some(&stock)).accepted();
    let honest = workshop(&error.story, &sold, &[&error.buyer]);
    let (replaced, cut) = (honest.position("certificate_replaced"), honest.position("certificate_split"));
    let verdict = verify(&honest.bundle(|_| true), Some(&anchor()));
    assert!(verdict.is_ok(), "{verdict:?}");
    expect_lie(&honest, "another organisation issued", |forged| said_by(forged, replaced, &error.story.auditor));
    let set = |pointer: &'static str, value: Value, words: &str| {
        expect_lie(&honest, words, |forged| {
            *forged.said[replaced].1.pointer_mut(pointer).expect("a field") = value.clone();
        });
    };
    set("/replacements/0/failed", json!(units(98, 100)), "3 units fail, 2 would back them");
    set("/replacements/0/failed", json!(units(100, 101)), "are not units of the certificate");
    set("/replacements/0/backing", json!(units(105, 107)), "3 would back them");
    set("/replacements/0/backing", json!(units(106, 107)), "are not units of that block");
    set("/replacements/0/cut_from", json!(sold), "the failing ones themselves");
    // The block that gives is not shown to be there.
    set("/replacements/0/cut_from", json!(units(103, 106)), "are not shown, which back");
    expect_lie(&honest, "these units are somebody's", |forged| {
        let sale = json!({"certificate": stock, "to": error.buyer.id});
        say(forged, cut + 1, &error.story.centre, "certificate_transferred", &sale);
    });
}
