use std::sync::Arc;

use burn::module::Param;

use super::*;
use crate::evaluate::tags::ranking::macro_roc_auc;

/// Points around three corners, one feature that is always the same.
fn corners() -> Features {
    let mut features = Features::default();
    let mut rng = draw::rng(1, "corners", &[]);
    for index in 0..120 {
        let class = index % 3;
        let mut noise = || rng.random_range(-1.0..1.0f32);
        let (x, y) = [(0.0, 0.0), (30.0, 0.0), (0.0, 0.02)][class];
        let row = [x + 3.0 * noise(), y + 0.002 * noise(), 7.0];
        let part = [Part::Training, Part::Validation, Part::Test][index / 40];
        features.push(&row, (class, &Arc::default()), part, "");
    }
    features
}

/// The same points with tags: one that two corners have, and two of one corner each.
fn tagged() -> Features {
    let mut features = corners();
    let tags = |class: &usize| -> Arc<[bool]> { [*class != 1, *class == 1, *class == 2].into() };
    features.tags = features.classes.iter().map(tags).collect();
    features
}

#[test]
fn classifiers_learn_tags() {
    let (features, compute) = (tagged(), Compute::cpu());
    for kind in [Kind::Logistic, Kind::Connected] {
        let options = Options { kind, hidden: 16, epochs: 400, seed: 1 };
        let head = train(&features, 3, &options, &compute).unwrap();
        let test = head.predictions(&features, Part::Test, &compute);
        assert!(macro_roc_auc(&test).unwrap() > 0.97, "{kind:?}");
        // Two tags at once are both more probable than not.
        let both = test.posteriors.iter().zip(&test.classes).filter(|(_, class)| **class == 2);
        let both: Vec<bool> = both.map(|(row, _)| row[0] > 0.5 && row[2] > 0.5).collect();
        let found = both.iter().filter(|found| **found).count();
        assert!(found * 10 >= both.len() * 9, "{kind:?}: {found} of {}", both.len());
    }
}

#[test]
fn classifiers_learn_whatever_the_scale_of_features() {
    let (features, compute) = (corners(), Compute::cpu());
    for kind in [Kind::Logistic, Kind::Connected] {
        let options = Options { kind, hidden: 16, epochs: 200, seed: 1 };
        let head = train(&features, 3, &options, &compute).unwrap();
        for part in Part::ALL {
            let (hits, of) = head.correct(&features, part);
            assert!(of == 40 && hits >= 39, "{kind:?} {part:?}: {hits} of {of}");
        }
        assert_eq!(head, train(&features, 3, &options, &compute).unwrap());
    }
}

#[test]
fn logistic_regression_is_at_its_optimum() {
    // There the gradient of the data term is −l2·w.
    let compute = Compute::cpu();
    for features in [corners(), tagged()] {
        let rows = features.of_part(Part::Training);
        let scale = Scale::of(&rows.values, 3);
        let set = Set::new(&rows, &scale, 3, &compute);
        let l2 = 0.01;
        let layers = logistic(Layers::new(&[3, 3], 1, &compute), &set, l2);
        let loss = set.loss(layers.forward(set.x.clone(), None));
        let mut gradients = GradientsParams::from_module(&mut loss.backward(), &layers);
        let weight: &Param<Tensor<2>> = &layers.layers[0].weight;
        let gradient = gradients.remove::<2>(weight.id).unwrap().into_data();
        let gradient: Vec<f32> = gradient.try_to_vec().unwrap();
        let weight: Vec<f32> = weight.val().into_data().try_to_vec().unwrap();
        assert!(weight.iter().any(|weight| weight.abs() > 0.5));
        for (gradient, weight) in gradient.iter().zip(weight) {
            assert!((gradient + l2 * weight).abs() < 1e-4, "{gradient} {weight}");
        }
    }
}

#[test]
fn clips_to_choose_by_are_needed() {
    let mut features = corners();
    features.parts.iter_mut().for_each(|part| *part = 0);
    let options = Options { kind: Kind::Logistic, hidden: 1, epochs: 1, seed: 1 };
    assert!(train(&features, 3, &options, &Compute::cpu()).is_err());
}
