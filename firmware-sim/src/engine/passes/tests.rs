//! How often columns are computed.

use models::arch::{Alpha, ArchSpec, BlockKind};
use models::q8::passes as planned;
use proptest::prelude::*;
use std::vec;
use std::vec::Vec;

use super::*;
use crate::tests::random;

/// Computes a window, and tells how many columns of each node that took.
fn computed(passes: &mut Passes<'_, '_>, window: &[i16]) -> Vec<u64> {
    let observer = &mut |_: &[Q15], _: u64| {};
    let made = |passes: &Passes<'_, '_>| -> Vec<u64> {
        passes.steps.iter().map(|step| step.made.into()).collect()
    };
    passes.start_window();
    let (mut counts, mut before) = (vec![0; passes.steps.len()], made(passes));
    let mut count = |passes: &Passes<'_, '_>, before: &[u64]| {
        let now = made(passes).into_iter().zip(before);
        counts.iter_mut().zip(now).for_each(|(count, (now, before))| *count += now - before);
    };
    for index in 0..passes.steps.len() {
        if passes.steps[index].does == MEAN {
            passes.gate(index, window, observer);
            count(passes, &before);
            passes.start_pass();
            before = made(passes);
        }
    }
    passes.last_pass(window, observer);
    count(passes, &before);
    counts
}

/// For each plan of a network, from all maps kept to none: columns computed of each node, and what was planned.
fn all_plans(arch: &ArchSpec, seed: u64) -> Vec<(Vec<u64>, Vec<u64>)> {
    let bytes = random::model(arch, seed).encode();
    let model = Model::parse(&bytes).unwrap();
    let samples = random::Noise(seed).samples(arch.window as usize);
    let nodes = arch.nodes().unwrap();
    let (least, mut given) = (words(&plan(&model, 0)), usize::MAX);
    let mut plans = Vec::new();
    loop {
        let plan = plan(&model, given);
        let mut memory = vec![0xDEAD_BEEF; words(&plan)];
        let mut passes = Passes::new(&model, &plan, &mut memory);
        plans.push((computed(&mut passes, &samples), planned(&nodes, &plan)));
        given = words(&plan) - 1;
        if given < least {
            return plans;
        }
    }
}

#[test]
fn columns_are_computed_as_often_as_planned() {
    for kind in [
        BlockKind::Se(Alpha::Over(2)),
        BlockKind::ReSe1(Alpha::Over(2)),
        BlockKind::ReSe2(Alpha::Times(2)),
    ] {
        let mut arch = models::arch::preset("3^4", 3).unwrap();
        arch.blocks.iter_mut().for_each(|block| {
            (block.channels, block.kind) = (5, kind);
        });
        // A block between the gates, and channels that change.
        arch.blocks[1].kind = if kind.is_residual() { BlockKind::Res2 } else { BlockKind::Basic };
        arch.blocks[2].channels = 7;
        arch.head.levels = 2;
        let nodes = arch.nodes().unwrap();
        let plans = all_plans(&arch, 5);
        // The map of the last gate takes nothing where it is a single column.
        assert_eq!(plans.len(), 3, "{kind:?}");
        for (counts, planned) in plans {
            let wanted = nodes.iter().zip(planned).map(|(node, often)| often * node.out_len as u64);
            let mut wanted: Vec<u64> = wanted.collect();
            wanted.pop();
            assert_eq!(counts, wanted, "{kind:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn columns_are_computed_at_most_as_often_as_planned(arch in random::any_arch(), seed: u64) {
        let nodes = arch.nodes().unwrap();
        for (index, (counts, planned)) in all_plans(&arch, seed).into_iter().enumerate() {
            for ((node, count), often) in nodes.iter().zip(counts).zip(planned) {
                prop_assert!(count <= often * node.out_len as u64, "{:?}", node);
                // With all maps kept, nothing is computed twice.
                prop_assert!(index > 0 || often == 1);
            }
        }
    }
}
