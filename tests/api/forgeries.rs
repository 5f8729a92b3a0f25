//! Bundles that somebody forged: without the keys, or with the operator's, breaking the ledger's own rules. Each is found
//! from the bundle alone.

use crate::bundles::{anchor, openings_of, small};
use crate::forging::Workshop;
use crate::harness::{Kind, TestApp};
use crate::story::Story;
use loopledger::proof::verify::{Rejection, verify};
use serde_json::{Value, json};

/// Whoever has no key of the ledger can make a bundle that agrees with itself, and no more; whoever has the operator's and
/// checkpoint's keys cannot make the others' statements say what they did not.
#[test]
fn a_forged_bundle_is_not_valid() {
    let app = TestApp::start(Kind::Sqlite);
    let story = Story::begin(&app);
    let (serial, bundle) = small(&story);
    let honest = Workshop::of(&story, &serial, openings_of(&bundle));
    let whole = honest.bundle(|_| true);
    assert!(verify(&whole, Some(&anchor())).is_ok(), "{:?}", verify(&whole, Some(&anchor())));
    let forged = honest.clone().with_other_keys().bundle(|_| true);
    assert!(verify(&forged, None).is_ok_and(|verdict| !verdict.trusted), "{:?}", verify(&forged, None));
    let Err(Rejection::Invalid(problem)) = verify(&forged, Some(&anchor())) else { panic!("a forgery is valid") };
    assert!(problem.contains("not signed by the key that you trust"), "{problem}");

    // The true checkpoint key over the forger's statements: entry 0 names another key.
    let mut mixed = honest.clone().with_other_keys();
    mixed.checkpoint = honest.checkpoint.clone();
    expect_invalid(&mixed.bundle(|_| true), "entry 0 of the ledger names");
    // One statement signed by a key of another organisation.
    let mut swapped = honest.clone();
    let at = swapped.position("treated_final");
    swapped.said[at].0 = swapped.said[swapped.position("batch_opened")].0.clone();
    expect_invalid(&swapped.bundle(|_| true), "its key is not its organisation's");
}

/// An organisation that has other roles than it had.
fn roles(had: &'static str, has: &'static [&'static str]) -> Box<dyn Fn(&mut Workshop)> {
    Box::new(move |workshop| {
        let registered = workshop.said.iter_mut().filter(|(_, payload)| payload["roles"] == json!([had]));
        for (_, payload) in registered {
            payload["roles"] = json!(has);
        }
    })
}

/// The sender takes the offer back before the receiver accepts it all the same.
fn answered(kind: &'static str) -> Box<dyn Fn(&mut Workshop)> {
    Box::new(move |workshop| {
        let at = workshop.position("handover_offered");
        let (signer, offer) = workshop.said[at].clone();
        let mut said = json!({"type": kind, "id": crate::harness::new_id(), "handover": offer["handover"]});
        for name in ["v", "ledger", "org", "occurred_at"] {
            said[name] = offer[name].clone();
        }
        workshop.insert(at + 1, (signer, said));
    })
}

/// What would be found, and how the ledger lies.
type Lie<'a> = (&'a str, Box<dyn Fn(&mut Workshop) + 'a>);

/// What the ledger shows after a lie is refused, in these words.
pub fn expect_lie(honest: &Workshop, words: &str, lie: impl Fn(&mut Workshop)) {
    let mut workshop = honest.clone();
    lie(&mut workshop);
    expect_invalid(&workshop.bundle(|_| true), words);
}

fn expect_invalid(bundle: &[u8], words: &str) {
    match verify(bundle, Some(&anchor())) {
        Err(Rejection::Invalid(problem)) => assert!(problem.contains(words), "{words:?} is not in {problem:?}"),
        other => panic!("{words:?}: {other:?}"),
    }
}

/// A ledger that broke its own rules: each lie alone is found from the bundle alone.
#[test]
fn every_lie_of_the_operator_is_found() {
    let app = TestApp::start(Kind::Sqlite);
    let story = Story::begin(&app);
    let (serial, bundle) = small(&story);
    let honest = Workshop::of(&story, &serial, openings_of(&bundle));
    let treatment = honest.position("treated_final");
    let set = |kind: &'static str, pointer: &'static str, value: Value| -> Box<dyn Fn(&mut Workshop)> {
        Box::new(move |workshop| {
            *workshop.first(kind).pointer_mut(pointer).unwrap_or_else(|| panic!("no {pointer}")) = value.clone();
        })
    };
    let (smelter, centre, operator) = (story.smelter.id.clone(), story.centre.id.clone(), app.operator.id.clone());
    let lies: Vec<Lie<'_>> = vec![
        ("3 units rest on 2000 g", set("certificate_issued", "/allotments/0/to", json!(2_000))),
        (
            "are taken of",
            set("certificate_issued", "/allotments", json!([{"treatment": treatment, "from": 1_000, "to": 4_000}])),
        ),
        ("were treated of a lot of", set("treated_final", "/net_g", json!(4_000))),
        ("ends no mass", set("treated_final", "/operation", json!("R13"))),
        ("no permit of its site covers", set("treated_final", "/operation", json!("R5"))),
        ("no permit of its site covers", set("treated_final", "/occurred_at", json!("2027-01-02T10:00:00Z"))),
        (
            "serial numbers are not those",
            set("certificate_issued", "/buffer", json!("ERT-XD-CTR1-202611-0000004-0000004")),
        ),
        ("the first holder is not", set("certificate_issued", "/holder", json!(smelter))),
        ("was not in force", set("certificate_issued", "/scheme", json!("e-resource/9"))),
        ("serial numbers are not those", set("certificate_issued", "/vintage", json!("2026-10"))),
        ("an issuer who is not the operator", roles("issuer", &["buyer"])),
        ("neither treats nor recycles", roles("treater", &["carrier"])),
        ("only an auditor may say this", roles("auditor", &["buyer"])),
        ("no audit of the site", set("site_audited", "/outcome", json!("does_not_conform"))),
        ("no audit of the site", set("site_audited", "/on", json!("2025-11-22"))),
        ("not weighed on a verified scale", set("scale_registered", "/verified_until", json!("2026-11-02"))),
        (
            "was not weighed on a verified scale",
            set("handover_accepted", "/lots/0/weight", json!({"basis": "estimated", "net_g": 3_000})),
        ),
        ("that went in was not weighed", set("received", "/weight", json!({"basis": "estimated", "net_g": 3_000}))),
        ("between others", set("handover_offered", "/to", json!(operator))),
        (
            "not shown to be one of the certificate's site",
            set("batch_opened", "/batch", json!(crate::harness::new_id())),
        ),
        ("not shown to be closed", set("batch_closed", "/batch", json!(crate::harness::new_id()))),
        ("within 12 months of the vintage", set("certificate_retired", "/period/from", json!("2025-01-01"))),
        ("its site is not shown to be", set("site_registered", "/organisation", json!(smelter))),
        (
            "has used this id before",
            Box::new(|workshop: &mut Workshop| {
                let (first, second) = (workshop.position("received"), workshop.position("batch_opened"));
                workshop.said[first].1["id"] = workshop.said[second].1["id"].clone();
            }),
        ),
        ("was said for the ledger", set("treated_final", "/ledger", json!("elsewhere.example/1a2b3c4d"))),
        (
            "registers what is registered",
            Box::new(|workshop: &mut Workshop| {
                let keys: Vec<usize> = (0..workshop.said.len())
                    .filter(|at| workshop.said[*at].1["type"] == "organisation_registered")
                    .collect();
                workshop.said[keys[1]].1["organisation"] = workshop.said[keys[0]].1["organisation"].clone();
            }),
        ),
        (
            "holds no grams",
            Box::new(move |workshop: &mut Workshop| {
                let part = |from: i64, to: i64| json!({"treatment": treatment, "from": from, "to": to});
                workshop.first("certificate_issued")["allotments"] = json!([part(0, 3_005), part(5, 0)]);
            }),
        ),
        ("are not what was weighed", set("handover_accepted", "/lots/0/accepted_g", json!(6_000))),
        ("stands in no table", set("dismantled", "/fraction", json!("0303"))),
        ("in a country on the scheme's list", set("received", "/arising/country", json!("BE"))),
        ("was brought in over a border", set("received", "/arising/country", json!("KE"))),
        ("scrap of manufacturing", set("received", "/provenance/kind", json!("manufacturing"))),
        ("another scheme counts it", set("received", "/provenance/counted_elsewhere", json!("epr"))),
        ("another scheme counts it", set("batch_closed", "/counted_elsewhere", json!("epr"))),
        ("counted them missing", set("received", "/pieces", json!(41))),
        ("fractions end by R3 to R6", set("treated_final", "/operation", json!("D10"))),
        ("end-of-life equipment", set("received", "/class", json!("FE"))),
        ("no permit of the site to which it came", set("received", "/occurred_at", json!("2025-12-31T10:00:00Z"))),
        ("less came out of it than went in", set("received", "/weight/gross_g", json!(9_000))),
        (
            "no organisation audits itself",
            Box::new(|workshop: &mut Workshop| {
                let at = workshop.position("site_audited");
                let declared = json!({"type": "relation_declared", "other": story.centre.id, "kind": "ownership"});
                workshop.insert_by(at, "site_audited", &declared);
            }),
        ),
        ("later than a batch may last", set("batch_opened", "/occurred_at", json!("2026-09-01T10:00:00Z"))),
        ("more came out of a batch", set("batch_closed", "/loss_g", json!(2_000))),
        ("is answered twice", answered("handover_withdrawn")),
        (
            "was used up before",
            Box::new(|workshop: &mut Workshop| {
                let mut second = workshop.said[workshop.position("treated_final")].clone();
                second.1["id"] = json!(crate::harness::new_id());
                let at = workshop.position("certificate_issued");
                workshop.insert(at, second);
            }),
        ),
        (
            "is made twice",
            Box::new(|workshop: &mut Workshop| {
                let mut second = workshop.said[workshop.position("dismantled")].clone();
                second.1["id"] = json!(crate::harness::new_id());
                let at = workshop.position("handover_offered");
                workshop.insert(at, second);
            }),
        ),
        (
            "is another's, or closed",
            Box::new(|workshop: &mut Workshop| {
                let smelter = workshop.said[workshop.position("treated_final")].clone();
                let at = workshop.position("batch_closed");
                workshop.said[at].0 = smelter.0;
                workshop.said[at].1["org"] = smelter.1["org"].clone();
                workshop.said[at].1["site"] = smelter.1["site"].clone();
            }),
        ),
        ("into which 2000 g went", set("received", "/weight/gross_g", json!(2_000))),
        ("no permit covers dismantling", set("site_registered", "/permit/operations", json!(["R4"]))),
        (
            "differently beyond the band",
            Box::new(|workshop: &mut Workshop| {
                workshop.first("received")["weight"]["gross_g"] = json!(4_200);
                workshop.first("dismantled")["weight"]["gross_g"] = json!(4_200);
            }),
        ),
        ("an auditor has no other role", roles("auditor", &["auditor", "recycler"])),
        (
            "before the issue",
            Box::new(|workshop: &mut Workshop| {
                let smelter = workshop.said[workshop.position("treated_final")].0.clone();
                let mut revoked = workshop.said[workshop.position("organisation_registered")].clone();
                let common = ["v", "ledger", "org", "occurred_at"].map(|name| (name, revoked.1[name].clone()));
                let id = crate::harness::new_id();
                revoked.1 = json!({"type": "key_revoked", "id": id, "kid": smelter, "reason": "compromised"});
                for (name, value) in common {
                    revoked.1[name] = value;
                }
                let at = workshop.position("certificate_issued");
                workshop.insert(at, revoked);
            }),
        ),
        (
            "two allotments share grams",
            Box::new(move |workshop: &mut Workshop| {
                let part = |from: i64, to: i64| json!({"treatment": treatment, "from": from, "to": to});
                workshop.first("certificate_issued")["allotments"] = json!([part(0, 2_000), part(1_000, 2_000)]);
            }),
        ),
        ("not shown, or comes after", set("certificate_issued", "/allotments/0/treatment", json!(10_000))),
        ("no final treatment", set("certificate_issued", "/allotments/0/treatment", json!(1))),
        (
            "another organisation holds this certificate",
            Box::new({
                let centre = centre.clone();
                move |workshop: &mut Workshop| {
                    let other = workshop.said[workshop.position("treated_final")].clone();
                    let at = workshop.position("certificate_retired");
                    assert_eq!(workshop.said[at].1["org"], json!(centre));
                    workshop.said[at].0 = other.0;
                    workshop.said[at].1["org"] = other.1["org"].clone();
                }
            }),
        ),
    ];
    for (words, lie) in lies {
        let mut workshop = honest.clone();
        lie(&mut workshop);
        expect_invalid(&workshop.bundle(|_| true), words);
    }
    // A company that only buys is registered for nothing that this rests on.
    let unneeded = |kind: &str| matches!(kind, "organisation_registered" | "key_registered");
    // Whatever is left out, what remains is either not valid or says what it does not show.
    let all = honest.said.len();
    let full = verify(&honest.bundle(|_| true), Some(&anchor())).expect("valid");
    for left_out in 0..all {
        let kind = honest.said[left_out].1["type"].as_str().expect("a type").to_owned();
        match verify(&honest.bundle(|index| index != left_out), Some(&anchor())) {
            Err(Rejection::Invalid(_)) => {}
            Ok(less) => assert!(
                less.not_shown != full.not_shown || less.certificate.retired.is_none() || unneeded(&kind),
                "{kind} is missing and nobody says so"
            ),
            Err(other) => panic!("{kind}: {other:?}"),
        }
    }
}

/// Findings hold and clear only what an auditor could see; related parties prove nothing to one another.
#[test]
fn what_auditors_find_counts_from_then_on() {
    let app = TestApp::start(Kind::Sqlite);
    let story = Story::begin(&app);
    let (serial, bundle) = small(&story);
    let honest = Workshop::of(&story, &serial, openings_of(&bundle));
    let document = json!({"sha256": "5".repeat(64), "blake3": "6".repeat(64)});
    let find = |workshop: &mut Workshop, at: usize, subject: &str, of: &Value, outcome: &str| {
        let fields = json!({
            "type": "audit_finding", subject: of, "severity": "major", "outcome": outcome, "document": document,
        });
        workshop.insert_by(at, "site_audited", &fields);
    };
    let valid = |workshop: &Workshop| {
        let verdict = verify(&workshop.bundle(|_| true), Some(&anchor()));
        assert!(verdict.is_ok(), "{verdict:?}");
    };
    let (treatment, issue) = (honest.position("treated_final"), honest.position("certificate_issued"));
    let batch = honest.said[honest.position("batch_opened")].1["batch"].clone();
    let item = honest.said[treatment].1["item"].clone();
    let subjects = [("treatment", json!(treatment), issue), ("batch", batch, issue), ("item", item.clone(), treatment)];
    for (subject, of, at) in subjects {
        let mut workshop = honest.clone();
        find(&mut workshop, at, subject, &of, "held");
        expect_invalid(&workshop.bundle(|_| true), "a finding holds it");
        find(&mut workshop, at + 1, subject, &of, "cleared");
        valid(&workshop);
    }
    // A treatment that no permit covers counts once an auditor has cleared it, and nobody clears what is yet to come.
    let mut unpermitted = honest.clone();
    unpermitted.first("treated_final")["operation"] = json!("R5");
    let mut early = unpermitted.clone();
    find(&mut early, treatment, "entry", &json!(treatment + 1), "cleared");
    expect_invalid(&early.bundle(|_| true), "no permit of its site covers");
    find(&mut unpermitted, treatment + 1, "entry", &json!(treatment), "cleared");
    valid(&unpermitted);
    // Sides that declared to be related before.
    let mut related = honest.clone();
    let offered = related.position("handover_offered");
    let declared = json!({"type": "relation_declared", "other": story.smelter.id, "kind": "ownership"});
    related.insert_by(offered, "handover_offered", &declared);
    expect_invalid(&related.bundle(|_| true), "related parties");
    let accepted = related.position("handover_accepted");
    find(&mut related, accepted + 1, "entry", &json!(accepted), "cleared");
    valid(&related);
    // One organisation that signs for both sides.
    expect_lie(&honest, "or one signed for both", |workshop| {
        let at = workshop.position("handover_accepted");
        let granted = json!({
            "type": "delegation_granted", "to": story.centre.id, "types": ["handover_accepted"], "until": "2027-12-31",
        });
        workshop.insert_by(at, "treated_final", &granted);
        let centre = workshop.said[workshop.position("handover_offered")].clone();
        let (signer, accepted) = &mut workshop.said[at + 1];
        *signer = centre.0;
        accepted["org"] = centre.1["org"].clone();
        accepted["on_behalf_of"] = json!(story.smelter.id);
    });
    // What was treated is not found again.
    expect_lie(&honest, "is found and was not lost", |workshop| {
        workshop.insert_by(treatment + 1, "treated_final", &json!({"type": "found", "item": item}));
    });
}
