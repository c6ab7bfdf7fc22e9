//! Merkle trees as RFC 6962 (section 2.1) builds them: a short proof that a line is one of many.
//!
//! Promises: leaves and inner nodes are hashed apart, so that none can be taken for the other; a
//! path of any other length than the one that follows from index and size proves nothing.

use crate::model::Digest;

/// The hash of a leaf: SHA-256 of a zero byte and the line.
pub fn leaf_hash(line: &[u8]) -> Digest {
    Digest::of(&[&[0], line].concat())
}

fn node_hash(left: &Digest, right: &Digest) -> Digest {
    Digest::of(&[&[1][..], left.as_bytes(), right.as_bytes()].concat())
}

/// The root over `leaves`; SHA-256 of nothing where there are none.
pub fn merkle_root(leaves: &[Digest]) -> Digest {
    match leaves {
        [] => Digest::of(b""),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(split(leaves.len()));
            node_hash(&merkle_root(left), &merkle_root(right))
        }
    }
}

/// What proves that the leaf `index` is among `leaves`: the hashes beside its way to the root, the
/// nearest first; `None` when there is no such leaf.
pub fn audit_path(leaves: &[Digest], index: usize) -> Option<Vec<Digest>> {
    if index >= leaves.len() {
        return None;
    }
    let mut path = Vec::new();
    let (mut rest, mut at) = (leaves, index);
    while rest.len() > 1 {
        let (left, right) = rest.split_at(split(rest.len()));
        if at < left.len() {
            path.push(merkle_root(right));
            rest = left;
        } else {
            path.push(merkle_root(left));
            at -= left.len();
            rest = right;
        }
    }
    path.reverse();
    Some(path)
}

/// The root that follows from a leaf, its index, the tree's size and an audit path; `None` when the
/// path does not fit the index and size. (RFC 9162, section 2.1.3.2)
pub fn root_by_path(leaf: Digest, index: u64, size: u64, path: &[Digest]) -> Option<Digest> {
    if index >= size {
        return None;
    }
    let (mut at, mut last, mut hash) = (index, size - 1, leaf);
    for beside in path {
        if last == 0 {
            return None;
        }
        if at & 1 == 1 || at == last {
            hash = node_hash(beside, &hash);
            // A leaf at the right edge has no neighbour on these floors.
            while at & 1 == 0 && at != 0 {
                (at, last) = (at >> 1, last >> 1);
            }
        } else {
            hash = node_hash(&hash, beside);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    (last == 0).then_some(hash)
}

/// The largest power of two below `len`, which is at least 2.
fn split(len: usize) -> usize {
    1 << (len - 1).ilog2()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The leaves of the reference tests of Certificate Transparency.
    const LINES: [&[u8]; 8] = [
        b"",
        b"\x00",
        b"\x10",
        b"\x20\x21",
        b"\x30\x31",
        b"\x40\x41\x42\x43",
        b"\x50\x51\x52\x53\x54\x55\x56\x57",
        b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
    ];

    /// The roots over the first one, two, … of them, as those tests have them.
    const ROOTS: [&str; 8] = [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];

    fn leaves(count: usize) -> Vec<Digest> {
        (0..count).map(|n| leaf_hash(n.to_string().as_bytes())).collect()
    }

    #[test]
    fn known_roots() {
        let nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(merkle_root(&[]).to_string(), nothing);
        let leaves: Vec<Digest> = LINES.iter().map(|line| leaf_hash(line)).collect();
        for (n, root) in ROOTS.iter().enumerate() {
            assert_eq!(merkle_root(&leaves[..=n]).to_string(), *root);
        }
    }

    #[test]
    fn a_known_path() {
        let leaves: Vec<Digest> = LINES.iter().map(|line| leaf_hash(line)).collect();
        let path: Vec<_> =
            audit_path(&leaves, 5).unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(
            path,
            [
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ]
        );
    }

    #[test]
    fn every_leaf_of_every_small_tree_is_proved_and_no_other_place_is() {
        for size in 1..=40 {
            let leaves = leaves(size);
            let root = merkle_root(&leaves);
            for index in 0..size {
                let path = audit_path(&leaves, index).unwrap();
                let by = |at: usize, size: usize, path: &[Digest]| {
                    root_by_path(leaves[index], at as u64, size as u64, path)
                };
                assert_eq!(by(index, size, &path), Some(root));
                let others = (0..size).filter(|at| *at != index);
                assert!(others.into_iter().all(|at| by(at, size, &path) != Some(root)));
                assert_eq!(by(size, size, &path), None);
                let longer = [&path[..], &[root]].concat();
                assert_ne!(by(index, size, &longer), Some(root));
                if !path.is_empty() {
                    assert_ne!(by(index, size, &path[1..]), Some(root));
                    assert_ne!(by(index, size, &path[..path.len() - 1]), Some(root));
                }
            }
            assert_eq!(audit_path(&leaves, size), None);
        }
    }

    proptest! {
        #[test]
        fn a_changed_bit_proves_nothing(
            size in 1..300usize,
            index in any::<prop::sample::Index>(),
            place in any::<prop::sample::Index>(),
            bit in 0..8u8,
        ) {
            let leaves = leaves(size);
            let (root, index) = (merkle_root(&leaves), index.index(size));
            let path = audit_path(&leaves, index).unwrap();
            prop_assert_eq!(root_by_path(leaves[index], index as u64, size as u64, &path), Some(root));
            let mut bytes: Vec<u8> = leaves[index].as_bytes().to_vec();
            path.iter().for_each(|hash| bytes.extend_from_slice(hash.as_bytes()));
            let at = place.index(bytes.len());
            bytes[at] ^= 1 << bit;
            let hashes: Vec<Digest> =
                bytes.chunks(32).map(|it| Digest::from_slice(it).unwrap()).collect();
            let changed = root_by_path(hashes[0], index as u64, size as u64, &hashes[1..]);
            prop_assert_ne!(changed, Some(root));
        }
    }
}
