//! Clustering of pieces: agglomerative, with average linkage and cannot-links.
//!
//! ```text
//! d(A, B) = weighted mean over a in A, b in B of (1 − a · b) = 1 − mean(A) · mean(B)        unit vectors
//! ```
//!
//! The two closest clusters are merged until none are closer than the threshold. Pieces of one window
//! at the same time are different people, so clusters that contain such a pair are never merged.
//! Then clusters whose centroids (mean vectors of length 1) are close are merged, too.
//! Average linkage needs the mean vector of a cluster alone, so memory is that of the vectors, and a
//! long recording is clustered block by block: the clusters of a block go on to the next one.

/// Distance up to which clusters are merged, of a recording whose number of speakers is not known.
const THRESHOLD: f32 = 0.55;
/// Distance of centroids up to which speakers are merged afterwards: the mean distance of pieces
/// grows with their noise, that of centroids does not.
const SAME: f32 = 0.4;
/// Largest distance of two unit vectors.
const LARGEST: f32 = 2.0;
/// Step by which the threshold is changed until the number of speakers is in its range.
const STEP: f32 = 0.02;
/// Clusters of a block, whose distances are a matrix.
const BLOCK: usize = 1_000;
/// Share of the threshold up to which clusters of a block are merged before the next block.
const EARLY: f32 = 0.5;

/// A piece to be clustered.
#[derive(Debug, Clone)]
pub(super) struct Item<'a> {
    /// Unit vector.
    pub(super) vector: &'a [f32],
    /// Seconds in which its speaker is alone; above 0.
    pub(super) weight: f32,
    /// Indices of the items that are another person.
    pub(super) others: Vec<usize>,
}

/// Clusters of items.
#[derive(Debug, Clone)]
struct Cluster {
    /// Weighted sum of the vectors.
    sum: Vec<f32>,
    weight: f32,
    /// Its items, ascending.
    items: Vec<usize>,
    /// Items that are another person than one of its own, ascending.
    others: Vec<usize>,
}

impl Cluster {
    fn of(index: usize, item: &Item<'_>) -> Self {
        let sum = item.vector.iter().map(|x| item.weight * x).collect();
        let mut others = item.others.clone();
        others.sort_unstable();
        Self { sum, weight: item.weight, items: vec![index], others }
    }

    /// The mean vector.
    fn mean(&self) -> Vec<f32> {
        self.sum.iter().map(|x| x / self.weight).collect()
    }

    fn merge(&mut self, other: &Self) {
        self.sum.iter_mut().zip(&other.sum).for_each(|(a, b)| *a += b);
        self.weight += other.weight;
        self.items.extend_from_slice(&other.items);
        self.items.sort_unstable();
        self.others.extend_from_slice(&other.others);
        self.others.sort_unstable();
    }

    /// Whether an item of the one and an item of the other are different people.
    fn excludes(&self, other: &Self) -> bool {
        self.others.iter().any(|item| other.items.binary_search(item).is_ok())
    }
}

/// Options of the clustering.
#[derive(Debug, Clone, Copy)]
pub(super) struct ClusteringOptions {
    /// Range of the number of speakers.
    pub(super) min: usize,
    pub(super) max: usize,
    /// Weight that a cluster needs to be a speaker.
    pub(super) min_weight: f32,
}

/// The speakers of a recording as unit vectors, in no particular order; empty only without items.
/// Clusters that are too small to be a speaker are left out, unless all are.
pub(super) fn centroids(items: &[Item<'_>], options: ClusteringOptions) -> Vec<Vec<f32>> {
    let clusters = items.iter().enumerate().map(|(index, item)| Cluster::of(index, item));
    let early = condensed(clusters, THRESHOLD * EARLY);
    let at = |threshold: f32| {
        let mut clusters = agglomerate(early.clone(), threshold);
        clusters.sort_by(|a, b| b.weight.total_cmp(&a.weight));
        let large = clusters.iter().filter(|cluster| cluster.weight >= options.min_weight).count();
        clusters.truncate(large.max(1));
        merge_centroids(&mut clusters, SAME * (threshold / THRESHOLD), 1);
        clusters
    };
    let mut threshold = THRESHOLD;
    let mut clusters = at(threshold);
    while clusters.len() < options.min && threshold > STEP {
        threshold -= STEP;
        clusters = at(threshold);
    }
    merge_centroids(&mut clusters, LARGEST, options.max);
    clusters.sort_by(|a, b| b.weight.total_cmp(&a.weight));
    clusters.truncate(options.max);
    clusters.iter().map(|cluster| unit(&cluster.sum)).collect()
}

/// Merges the clusters with the closest centroids until none are closer than `threshold`, or only
/// `least` are left.
fn merge_centroids(clusters: &mut Vec<Cluster>, threshold: f32, least: usize) {
    while clusters.len() > least {
        let centroids: Vec<Vec<f32>> = clusters.iter().map(|cluster| unit(&cluster.sum)).collect();
        let pairs = (0..clusters.len()).flat_map(|a| (a + 1..clusters.len()).map(move |b| (a, b)));
        let distance = |(a, b): (usize, usize)| {
            let excluded = clusters[a].excludes(&clusters[b]);
            if excluded { f32::INFINITY } else { 1.0 - dot(&centroids[a], &centroids[b]) }
        };
        let closest = pairs.map(|pair| (distance(pair), pair)).min_by(|x, y| x.0.total_cmp(&y.0));
        let Some((_, (a, b))) = closest.filter(|(distance, _)| *distance <= threshold) else { return };
        let removed = clusters.remove(b);
        clusters[a].merge(&removed);
    }
}

/// Merges clusters up to `threshold` block by block until one block contains them.
fn condensed(items: impl Iterator<Item = Cluster>, threshold: f32) -> Vec<Cluster> {
    let mut held = Vec::new();
    for item in items {
        held.push(item);
        if held.len() == BLOCK {
            held = agglomerate(held, threshold);
            let mut looser = threshold;
            while held.len() > BLOCK / 2 && looser < LARGEST {
                looser += STEP;
                held = agglomerate(held, looser);
            }
            held.truncate(BLOCK - 1); // reached where cannot-links alone keep them apart
        }
    }
    held
}

/// Merges the two closest clusters until none are closer than `threshold`.
fn agglomerate(clusters: Vec<Cluster>, threshold: f32) -> Vec<Cluster> {
    let mut distances = Distances::new(&clusters);
    let mut clusters: Vec<Option<Cluster>> = clusters.into_iter().map(Some).collect();
    while let Some((a, b)) = distances.closest(threshold) {
        let Some(removed) = clusters[b].take() else { break };
        if let Some(merged) = &mut clusters[a] {
            merged.merge(&removed);
        }
        distances.update(a, b, &clusters);
    }
    clusters.into_iter().flatten().collect()
}

/// Distances between clusters; infinite for those that cannot be merged.
struct Distances {
    /// Row by row.
    all: Vec<f32>,
    /// The closest cluster with a higher index, and its distance, of each cluster.
    nearest: Vec<(usize, f32)>,
}

impl Distances {
    fn new(clusters: &[Cluster]) -> Self {
        let count = clusters.len();
        let means: Vec<Vec<f32>> = clusters.iter().map(Cluster::mean).collect();
        let mut all = vec![f32::INFINITY; count * count];
        for a in 0..count {
            for b in a + 1..count {
                let distance = distance((&clusters[a], &means[a]), (&clusters[b], &means[b]));
                (all[a * count + b], all[b * count + a]) = (distance, distance);
            }
        }
        let mut distances = Self { all, nearest: vec![(0, f32::INFINITY); count] };
        (0..count).for_each(|a| distances.find_nearest(a));
        distances
    }

    fn count(&self) -> usize {
        self.nearest.len()
    }

    fn find_nearest(&mut self, a: usize) {
        let row = &self.all[a * self.count()..(a + 1) * self.count()];
        let mut nearest = (a, f32::INFINITY);
        for (b, distance) in row.iter().enumerate().skip(a + 1) {
            if *distance < nearest.1 {
                nearest = (b, *distance);
            }
        }
        self.nearest[a] = nearest;
    }

    /// The two closest clusters, the lower index first; of equal ones those of the lowest indices.
    fn closest(&self, threshold: f32) -> Option<(usize, usize)> {
        let mut best: Option<(usize, (usize, f32))> = None;
        for (a, nearest) in self.nearest.iter().enumerate() {
            if nearest.1 <= threshold && best.is_none_or(|(_, (_, distance))| nearest.1 < distance) {
                best = Some((a, *nearest));
            }
        }
        best.map(|(a, (b, _))| (a, b))
    }

    /// After cluster `b` was merged into `a`.
    fn update(&mut self, a: usize, b: usize, clusters: &[Option<Cluster>]) {
        let count = self.count();
        let Some(merged) = &clusters[a] else { return };
        let mean = merged.mean();
        for (k, cluster) in clusters.iter().enumerate() {
            let distance = match cluster {
                Some(other) if k != a => distance((merged, &mean), (other, &other.mean())),
                _ => f32::INFINITY,
            };
            (self.all[a * count + k], self.all[k * count + a]) = (distance, distance);
            (self.all[b * count + k], self.all[k * count + b]) = (f32::INFINITY, f32::INFINITY);
        }
        self.nearest[b] = (b, f32::INFINITY);
        for k in (0..count).filter(|k| clusters[*k].is_some()) {
            let (nearest, distance) = self.nearest[k];
            if k == a || nearest == a || nearest == b {
                self.find_nearest(k);
            } else if k < a && self.all[k * count + a] < distance {
                self.nearest[k] = (a, self.all[k * count + a]);
            }
        }
    }
}

fn distance((a, mean_a): (&Cluster, &[f32]), (b, mean_b): (&Cluster, &[f32])) -> f32 {
    if a.excludes(b) {
        return f32::INFINITY;
    }
    1.0 - dot(mean_a, mean_b)
}

/// Eight independent sums, so that the compiler vectorises them; their order depends on the length
/// alone.
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let (a_blocks, a_rest) = a.as_chunks::<8>();
    let (b_blocks, b_rest) = b.as_chunks::<8>();
    let mut sums = [0.0; 8];
    for (a, b) in a_blocks.iter().zip(b_blocks) {
        sums.iter_mut().zip(a).zip(b).for_each(|((sum, a), b)| *sum += a * b);
    }
    sums.iter().sum::<f32>() + a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f32>()
}

pub(super) fn unit(vector: &[f32]) -> Vec<f32> {
    let length = dot(vector, vector).sqrt();
    vector.iter().map(|x| if length > 0.0 { x / length } else { 0.0 }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: ClusteringOptions = ClusteringOptions { min: 1, max: 50, min_weight: 2.0 };

    /// Person `person` with a little of another direction.
    fn vector(n: usize, person: usize, other: f32) -> Vec<f32> {
        let mut vector = vec![0.0; 8];
        vector[person] = 1.0;
        vector[7 - n % 3] += other;
        unit(&vector)
    }

    fn items(vectors: &[Vec<f32>]) -> Vec<Item<'_>> {
        vectors.iter().map(|vector| Item { vector, weight: 1.0, others: Vec::new() }).collect()
    }

    /// The person that each centroid is nearest to.
    fn people(centroids: &[Vec<f32>]) -> Vec<usize> {
        let largest = |v: &Vec<f32>| (0..8).fold(0, |best, k| if v[k] > v[best] { k } else { best });
        let mut people: Vec<usize> = centroids.iter().map(largest).collect();
        people.sort_unstable();
        people
    }

    #[test]
    fn similar_vectors_are_one_speaker() {
        let vectors: Vec<_> = (0..12).map(|n| vector(n, n % 3, 0.3)).collect();
        assert_eq!(people(&centroids(&items(&vectors), OPTIONS)), [0, 1, 2]);
        assert!(centroids(&[], OPTIONS).is_empty());
    }

    #[test]
    fn simultaneous_pieces_are_different_people() {
        let vectors: Vec<_> = (0..8).map(|n| vector(n, 0, if n < 4 { 0.2 } else { -0.2 })).collect();
        let mut all = items(&vectors);
        assert_eq!(centroids(&all, OPTIONS).len(), 1);
        (0..4).for_each(|n| all[n].others.extend(4..8));
        (4..8).for_each(|n| all[n].others.extend(0..4));
        assert_eq!(centroids(&all, OPTIONS).len(), 2);
    }

    #[test]
    fn a_small_cluster_is_no_speaker_unless_it_is_the_only_one() {
        let vectors: Vec<_> = (0..5).map(|n| vector(n, usize::from(n == 4), 0.1)).collect();
        assert_eq!(people(&centroids(&items(&vectors), OPTIONS)), [0]);
        assert_eq!(people(&centroids(&items(&vectors[4..]), OPTIONS)), [1]);
    }

    #[test]
    fn the_number_of_speakers_is_kept_in_its_range() {
        let vectors: Vec<_> = (0..16).map(|n| vector(n, n % 4, 0.3)).collect();
        for (min, max, want) in [(1, 50, 4), (2, 3, 3), (1, 1, 1), (4, 4, 4)] {
            assert_eq!(centroids(&items(&vectors), ClusteringOptions { min, max, ..OPTIONS }).len(), want);
        }
        // two directions of one cluster are distinguished only if asked for
        let near: Vec<_> = (0..8).map(|n| vector(0, 0, if n % 2 == 0 { 0.8 } else { -0.8 })).collect();
        assert_eq!(centroids(&items(&near), OPTIONS).len(), 2);
        let near: Vec<_> = (0..8).map(|n| vector(0, 0, if n % 2 == 0 { 0.4 } else { -0.4 })).collect();
        assert_eq!(centroids(&items(&near), OPTIONS).len(), 1);
        assert_eq!(centroids(&items(&near), ClusteringOptions { min: 2, max: 2, ..OPTIONS }).len(), 2);
    }

    #[test]
    fn a_long_recording_is_clustered_in_blocks() {
        let vectors: Vec<_> = (0..3 * BLOCK).map(|n| vector(n, n % 5, 0.1)).collect();
        assert_eq!(people(&centroids(&items(&vectors), OPTIONS)), [0, 1, 2, 3, 4]);
    }

    /// Against the definition: the closest pair by the weighted mean of all pairwise distances.
    #[test]
    fn merges_are_those_of_average_linkage() {
        let vectors: Vec<Vec<f32>> = (0..14)
            .map(|n| unit(&(0..8).map(|k| ((n * 8 + k) as f32 * 1.7).sin() + 0.4).collect::<Vec<_>>()))
            .collect();
        let weight = |n: usize| 1.0 + (n % 4) as f32;
        let mut groups: Vec<Vec<usize>> = (0..14).map(|k| vec![k]).collect();
        let mean = |a: &[usize], b: &[usize]| {
            let pairs = a.iter().flat_map(|a| b.iter().map(|b| (*a, *b)));
            let (sum, weights) = pairs.fold((0.0, 0.0), |(sum, weights), (a, b)| {
                let w = weight(a) * weight(b);
                (sum + w * (1.0 - dot(&vectors[a], &vectors[b])), weights + w)
            });
            sum / weights
        };
        loop {
            let pairs = (0..groups.len()).flat_map(|a| (a + 1..groups.len()).map(move |b| (a, b)));
            let best =
                pairs.min_by(|x, y| mean(&groups[x.0], &groups[x.1]).total_cmp(&mean(&groups[y.0], &groups[y.1])));
            let Some((a, b)) = best.filter(|(a, b)| mean(&groups[*a], &groups[*b]) <= 0.5) else { break };
            let removed = groups.remove(b);
            groups[a].extend(removed);
        }
        let all = items(&vectors).into_iter().enumerate();
        let clusters = all.map(|(n, item)| Cluster::of(n, &Item { weight: weight(n), ..item })).collect();
        let mut got: Vec<Vec<usize>> = agglomerate(clusters, 0.5).into_iter().map(|cluster| cluster.items).collect();
        for group in &mut groups {
            group.sort_unstable();
        }
        groups.sort();
        got.sort();
        assert_eq!(got, groups);
        assert!(groups.len() > 1 && groups.len() < 14, "{groups:?}");
    }
}
