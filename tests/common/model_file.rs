//! A small model file, taken apart and joined again: what tests of broken and of doctored files start from.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use persona_engine::nn::Weights;
use serde_json::{Map, Value, json};

/// Name → (type, shape, bytes).
type Tensors = BTreeMap<String, (String, Vec<usize>, Vec<u8>)>;

/// A model file taken apart: manifest, tensors as (type, shape, bytes).
#[derive(Clone)]
pub(crate) struct Parts {
    pub(crate) manifest: Value,
    pub(crate) tensors: Tensors,
}

/// The bytes of a small sound model.
pub(crate) fn good_bytes() -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/tiny-cnn.safetensors")).unwrap()
}

/// Length of the header behind the first eight bytes.
pub(crate) fn header_length(bytes: &[u8]) -> usize {
    u64::from_le_bytes(*bytes.first_chunk().unwrap()) as usize
}

impl Parts {
    pub(crate) fn good() -> Self {
        Self::of(&good_bytes())
    }

    /// Of another model of tests/golden.
    pub(crate) fn named(name: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(format!("{name}.safetensors"));
        Self::of(&fs::read(path).unwrap())
    }

    /// A shipped model.
    pub(crate) fn shipped(name: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("weights").join(format!("{name}.safetensors"));
        Self::of(&fs::read(path).unwrap())
    }

    fn of(bytes: &[u8]) -> Self {
        let (header, data) = bytes[8..].split_at(header_length(bytes));
        let mut header: Map<String, Value> = serde_json::from_slice(header).unwrap();
        let texts = header.remove("__metadata__").unwrap();
        let tensors = header.into_iter().map(|(name, info)| {
            let place = |i: usize| info["data_offsets"][i].as_u64().unwrap() as usize;
            let shape = serde_json::from_value(info["shape"].clone()).unwrap();
            (name, (info["dtype"].as_str().unwrap().to_owned(), shape, data[place(0)..place(1)].to_vec()))
        });
        let manifest = serde_json::from_str(texts["persona"].as_str().unwrap()).unwrap();
        Self { manifest, tensors: tensors.collect() }
    }

    /// The same with an interval for age.
    pub(crate) fn with_interval() -> Self {
        let mut parts = Self::good();
        parts.manifest["heads"]["age"]["interval"] =
            json!({"coverage": 0.8, "knots_years": [20, 60], "low_years": [18, 38.5], "high_years": [33.25, 66]});
        parts
    }

    /// The file, with the checksum that the manifest states, right or wrong.
    pub(crate) fn unsigned(&self) -> Vec<u8> {
        file(&self.tensors, &json!({"persona": self.manifest.to_string()}))
    }

    /// The file with the right checksum.
    pub(crate) fn signed(&self) -> Vec<u8> {
        let mut parts = self.clone();
        parts.manifest["sha256"] = Weights::from_bytes(&self.unsigned()).unwrap().sha256().unwrap().into();
        parts.unsigned()
    }

    pub(crate) fn tensor(&mut self, name: &str) -> &mut (String, Vec<usize>, Vec<u8>) {
        self.tensors.get_mut(name).unwrap()
    }

    /// Adds or replaces a tensor.
    pub(crate) fn put_f32(&mut self, name: &str, shape: &[usize], values: &[f32]) {
        assert_eq!(shape.iter().product::<usize>(), values.len(), "{name}");
        let bytes = values.iter().flat_map(|x| x.to_le_bytes()).collect();
        self.tensors.insert(name.to_owned(), ("F32".to_owned(), shape.to_vec(), bytes));
    }

    pub(crate) fn set_f32(&mut self, name: &str, index: usize, value: f32) {
        self.tensor(name).2[4 * index..4 * index + 4].copy_from_slice(&value.to_le_bytes());
    }

    pub(crate) fn set(&mut self, pointer: &str, value: Value) {
        *self.manifest.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer}")) = value;
    }
}

pub(crate) fn file(tensors: &Tensors, texts: &Value) -> Vec<u8> {
    let (mut header, mut data) = (Map::new(), Vec::new());
    header.insert("__metadata__".into(), texts.clone());
    for (name, (dtype, shape, bytes)) in tensors {
        let places = [data.len(), data.len() + bytes.len()];
        header.insert(name.clone(), json!({"dtype": dtype, "shape": shape, "data_offsets": places}));
        data.extend_from_slice(bytes);
    }
    with_header(&Value::Object(header).to_string(), &data)
}

pub(crate) fn with_header(header: &str, data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat()
}
