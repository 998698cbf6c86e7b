//! Circles of a directed graph: strongly connected components of more than one node.

use std::collections::BTreeMap;

/// Node → the nodes that it points to.
pub(super) type Graph = BTreeMap<String, Vec<String>>;

/// All circles, sorted: each a sorted list of the nodes that reach each other.
pub(super) fn circles(graph: &Graph) -> Vec<Vec<String>> {
    let reached: BTreeMap<&str, Vec<&str>> = graph.keys().map(|node| (node.as_str(), reach(graph, node))).collect();
    let mut found: Vec<Vec<String>> = Vec::new();
    for (&node, from_here) in &reached {
        let back = |other: &str| reached.get(other).is_some_and(|there| there.contains(&node));
        let mut circle: Vec<String> =
            from_here.iter().filter(|other| back(other)).map(|other| (*other).to_owned()).collect();
        circle.sort();
        if circle.len() > 1 && !found.contains(&circle) {
            found.push(circle);
        }
    }
    found.sort();
    found
}

/// All nodes on some way that begins at `start`.
fn reach<'g>(graph: &'g Graph, start: &str) -> Vec<&'g str> {
    let (mut seen, mut next) = (Vec::new(), vec![start]);
    while let Some(node) = next.pop() {
        for to in graph.get(node).into_iter().flatten() {
            if !seen.contains(&to.as_str()) {
                seen.push(to.as_str());
                next.push(to);
            }
        }
    }
    seen
}
