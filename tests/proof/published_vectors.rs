//! What specifications and others publish as right and wrong.

use data_encoding::{BASE64, HEXLOWER};
use ed25519_dalek::Signature;
use loopledger::proof::checkpoint::AnyCheckpoint;
use loopledger::proof::keys::verifying_key;
use loopledger::proof::merkle::{Frontier, TreeHash, check_consistency, check_inclusion, empty_root, leaf_hash};
use loopledger::proof::note::{Note, NoteProblem, NoteVerifier};
use serde_json::Value;

fn hash(hex: &str) -> TreeHash {
    TreeHash::from_slice(&HEXLOWER.decode(hex.as_bytes()).expect("hex")).expect("32 bytes")
}

/// The example of C2SP signed-note.
#[test]
fn the_example_of_signed_note() {
    let verifier = NoteVerifier::parse("example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k");
    let verifier = verifier.expect("a vkey");
    let note = "This is an example message.\n\n— example.com/foo \
        Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";
    assert_eq!(verifier.open(note), Ok("This is an example message.\n"));
    assert_eq!(verifier.open(&note.replace("example m", "other m")), Err(NoteProblem::BadSignature));
}

/// The example of the Go package golang.org/x/mod/sumdb/note.
#[test]
fn the_example_of_gos_note_package() {
    let vkey = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    let verifier = NoteVerifier::parse(vkey).expect("a vkey");
    assert_eq!(verifier.vkey(), vkey);
    let text = "If you think cryptography is the answer to your problem,\n\
        then you don't know what your problem is.\n";
    let note = format!(
        "{text}\n— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
    );
    assert_eq!(verifier.open(&note), Ok(text));
}

/// The examples of C2SP tlog-checkpoint and tlog-cosignature: their keys are not published, their form is.
#[test]
fn the_example_of_tlog_cosignature() {
    let note = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\
        — example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n\
        — witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n";
    let parsed = Note::parse(note).expect("a note");
    let checkpoint = AnyCheckpoint::parse(parsed.text).expect("a checkpoint");
    assert_eq!((checkpoint.origin, checkpoint.size), ("example.com/behind-the-sofa", 20_852_163));
    let names: Vec<_> = parsed.signatures.iter().map(|line| line.name).collect();
    assert_eq!(names, ["example.com/behind-the-sofa", "witness.example.com/w1"]);
    let time: [u8; 8] = parsed.signatures[1].signature[..8].try_into().expect("8 bytes");
    assert_eq!(u64::from_be_bytes(time), 1_679_315_147);
}

/// The tree of RFC 9162 §2.1.1 over the eight inputs of Certificate Transparency's reference tests, size by size, and the
/// proofs of RFC 9162 §2.1.5 built by hand from the same nodes.
#[test]
fn the_constructions_of_rfc_9162() {
    let inputs = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
    let roots = [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];
    assert_eq!(empty_root(), hash("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"));
    let leaves: Vec<_> = inputs.iter().map(|hex| leaf_hash(&HEXLOWER.decode(hex.as_bytes()).expect("hex"))).collect();
    let mut frontier = Frontier::default();
    for (leaf, root) in leaves.iter().zip(roots) {
        frontier.push(*leaf);
        assert_eq!(frontier.root(), hash(root));
    }
    // §2.1.5's example is the tree over seven leaves.
    let node = loopledger::proof::merkle::node_hash;
    let pair = |left: usize| node(&leaves[left], &leaves[left + 1]);
    let (left, right) = (node(&pair(0), &pair(2)), node(&pair(4), &leaves[6]));
    let root = hash(roots[6]);
    assert_eq!(check_inclusion(&leaves[0], 0, 7, &[leaves[1], pair(2), right], &root), Ok(()));
    assert_eq!(check_inclusion(&leaves[3], 3, 7, &[leaves[2], pair(0), right], &root), Ok(()));
    assert_eq!(check_inclusion(&leaves[4], 4, 7, &[leaves[5], leaves[6], left], &root), Ok(()));
    assert_eq!(check_inclusion(&leaves[6], 6, 7, &[pair(4), left], &root), Ok(()));
    let (three, four, six) = (hash(roots[2]), hash(roots[3]), hash(roots[5]));
    let proof = [leaves[2], leaves[3], pair(0), right];
    assert_eq!(check_consistency((3, &three), (7, &root), &proof), Ok(()));
    assert_eq!(check_consistency((4, &four), (7, &root), &[right]), Ok(()));
    assert_eq!(check_consistency((6, &six), (7, &root), &[pair(4), leaves[6], left]), Ok(()));
}

/// Project Wycheproof: every valid signature passes under the strict rule, no invalid one does.
#[test]
fn wycheproofs_ed25519_signatures() {
    let file = include_str!("../vectors/wycheproof/ed25519_test.json");
    let file: Value = serde_json::from_str(file).expect("JSON");
    let mut checked = 0;
    for group in file["testGroups"].as_array().expect("groups") {
        let decode = |value: &Value| HEXLOWER.decode(value.as_str().expect("text").as_bytes()).expect("hex");
        let key: [u8; 32] = decode(&group["publicKey"]["pk"]).try_into().expect("32 bytes");
        let key = verifying_key(key).expect("Wycheproof's keys are good ones");
        for test in group["tests"].as_array().expect("tests") {
            let signature = Signature::from_slice(&decode(&test["sig"]));
            let passes = signature.is_ok_and(|signature| key.verify_strict(&decode(&test["msg"]), &signature).is_ok());
            assert_eq!(passes, test["result"] == "valid", "test {}", test["tcId"]);
            checked += 1;
        }
    }
    assert_eq!(checked, file["numberOfTests"].as_u64().expect("a number"));
}

/// Keys of small order sign anything; they are no keys. The eight points of order 1, 2, 4 and 8 in their canonical form.
#[test]
fn keys_of_small_order() {
    let points = [
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    ];
    for point in points {
        let key: [u8; 32] = HEXLOWER.decode(point.as_bytes()).expect("hex").try_into().expect("32 bytes");
        assert!(verifying_key(key).is_err(), "{point}");
        let vkey = format!("weak+00000000+{}", BASE64.encode(&[&[1], key.as_slice()].concat()));
        assert!(NoteVerifier::parse(&vkey).is_err());
    }
}
