//! From folders of files with schemas to tables with partitions. Pure: the rules by which Glue groups, and where ours differ.
//!
//! * Files and folders are alike if more than 70 % of their columns are. A folder in which all is alike is one table; the folders
//!   below are its partitions. Otherwise each folder below is looked at by itself, and each file beside them is a table.
//! * Folders named `key=value` are always partitions of one table, as far as their format goes together.
//! * A single folder is not taken for a partition: the table is the folder, not what it lies in.

use std::collections::BTreeMap;
use std::sync::Arc;

use tarn_catalog::{HIVE_DEFAULT_PARTITION, decode_partition_name};

use crate::formats::types::Inferred;
use crate::formats::{Compression, FileSchema, Format, FoundColumn};

/// How many columns (of 100) must be alike.
const SIMILAR_PERCENT: usize = 70;
/// The most names kept of the files in a folder that are alike.
const NAMES_MAX: usize = 1_000;

/// How much there is of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Amount {
    pub(crate) objects: u64,
    pub(crate) size_bytes: u64,
    /// Records in the samples.
    pub(crate) sampled_records: u64,
    /// Bytes of these records, uncompressed.
    pub(crate) sampled_size_bytes: u64,
    /// Bytes of these records as they are stored.
    pub(crate) sampled_stored_size_bytes: u64,
    /// Objects of which all records were read.
    pub(crate) counted_objects: u64,
}

impl Amount {
    fn add(&mut self, other: Self) {
        self.objects += other.objects;
        self.size_bytes += other.size_bytes;
        self.sampled_records += other.sampled_records;
        self.sampled_size_bytes += other.sampled_size_bytes;
        self.sampled_stored_size_bytes += other.sampled_stored_size_bytes;
        self.counted_objects += other.counted_objects;
    }
}

/// Columns and format, as far as they are the same for many files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) format: Format,
    pub(crate) compression: Compression,
    pub(crate) columns: Arc<Vec<FoundColumn>>,
}

/// Files of one folder that are alike.
#[derive(Debug, Clone)]
pub(crate) struct Cluster {
    pub(crate) shape: Shape,
    pub(crate) names: Vec<(String, Amount)>,
    pub(crate) amount: Amount,
}

/// A folder with what is in it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Folder {
    pub(crate) clusters: Vec<Cluster>,
    pub(crate) folders: BTreeMap<String, Folder>,
}

/// A folder that is to be a partition; or the table's own, with an empty path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Leaf {
    /// Below the table's folder.
    pub(crate) path: Vec<String>,
    pub(crate) shape: Shape,
    pub(crate) amount: Amount,
}

/// What is to be a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Group {
    /// Below the target's folder.
    pub(crate) path: Vec<String>,
    /// A table of one file, not of a folder.
    pub(crate) file: Option<String>,
    pub(crate) shape: Shape,
    pub(crate) leaves: Vec<Leaf>,
    pub(crate) amount: Amount,
}

impl Group {
    /// The partition keys with the values of each leaf; none if the leaves lie at several depths, or in the folder itself.
    pub(crate) fn partition_keys(&self) -> Vec<String> {
        let depth = self.leaves.first().map_or(0, |leaf| leaf.path.len());
        if self.file.is_some() || depth == 0 || self.leaves.iter().any(|leaf| leaf.path.len() != depth) {
            return Vec::new();
        }
        let mut keys: Vec<String> = Vec::new();
        for level in 0..depth {
            let mut names = self.leaves.iter().map(|leaf| leaf.path.get(level).and_then(|folder| hive_key(folder)));
            let first = names.next().flatten();
            let same = first.clone().filter(|key| names.all(|name| name.as_ref() == Some(key)) && !keys.contains(key));
            keys.push(same.unwrap_or_else(|| format!("partition_{level}")));
        }
        keys
    }
}

impl Leaf {
    /// One value for each folder of its path.
    pub(crate) fn partition_values(&self) -> Vec<String> {
        let value = |folder: &String| {
            let value = hive_pair(folder).map_or_else(|| folder.clone(), |(_, value)| value);
            if value.is_empty() { HIVE_DEFAULT_PARTITION.to_owned() } else { value }
        };
        self.path.iter().map(value).collect()
    }
}

fn hive_pair(folder: &str) -> Option<(String, String)> {
    let mut pairs = decode_partition_name(folder).ok()?;
    if pairs.len() == 1 { pairs.pop() } else { None }
}

fn hive_key(folder: &str) -> Option<String> {
    hive_pair(folder).map(|(key, _)| key.to_lowercase())
}

impl Shape {
    pub(crate) fn of(schema: &FileSchema) -> Self {
        Self { format: schema.format, compression: schema.compression, columns: Arc::new(schema.columns.clone()) }
    }

    fn is_similar(&self, other: &Self) -> bool {
        if !self.format.goes_with(other.format) {
            return false;
        }
        let most = self.columns.len().max(other.columns.len());
        let alike = if self.format.names_columns() {
            let names: std::collections::HashSet<&str> =
                self.columns.iter().map(|column| column.name.as_str()).collect();
            other.columns.iter().filter(|column| names.contains(column.name.as_str())).count()
        } else {
            let pairs = self.columns.iter().zip(other.columns.iter());
            pairs.filter(|(a, b)| a.inferred.goes_with(&b.inferred)).count()
        };
        alike * 100 > most * SIMILAR_PERCENT
    }

    /// The shape of both: a union of the columns by name, in the order they were first seen; by position without names.
    fn merge(&self, other: &Self) -> Self {
        let format = match (self.format, other.format) {
            (Format::Csv { delimiter, header, quoted: a }, Format::Csv { quoted: b, .. }) => {
                Format::Csv { delimiter, header, quoted: a || b }
            }
            (format, _) => format,
        };
        if self.columns == other.columns {
            return Self { format, ..self.clone() };
        }
        let mut columns = self.columns.as_ref().clone();
        for column in other.columns.iter() {
            match columns.iter_mut().find(|found| found.name == column.name) {
                Some(found) => {
                    found.inferred =
                        std::mem::replace(&mut found.inferred, Inferred::Null).merge(column.inferred.clone());
                }
                None => columns.push(column.clone()),
            }
        }
        Self { format, compression: self.compression, columns: Arc::new(columns) }
    }
}

impl Folder {
    /// The folder at `path`, made if need be.
    pub(crate) fn at(&mut self, path: &[String]) -> &mut Folder {
        path.iter().fold(self, |folder, name| folder.folders.entry(name.clone()).or_default())
    }

    /// Puts a file to those it is like.
    pub(crate) fn add(&mut self, name: String, schema: &FileSchema, size_bytes: u64) {
        let amount = Amount {
            objects: 1,
            size_bytes,
            sampled_records: schema.records,
            sampled_size_bytes: schema.records_size_bytes,
            sampled_stored_size_bytes: schema.stored_size_bytes,
            counted_objects: u64::from(schema.complete),
        };
        let shape = Shape::of(schema);
        match self.clusters.iter_mut().find(|cluster| cluster.shape.is_similar(&shape)) {
            Some(cluster) => {
                cluster.shape = cluster.shape.merge(&shape);
                cluster.amount.add(amount);
                if cluster.names.len() < NAMES_MAX {
                    cluster.names.push((name, amount));
                }
            }
            None => self.clusters.push(Cluster { shape, names: vec![(name, amount)], amount }),
        }
    }

    /// Counts files that were not looked at: they are taken for what most of the folder is.
    pub(crate) fn count(&mut self, objects: u64, size_bytes: u64) {
        if let Some(cluster) = self.clusters.iter_mut().max_by_key(|cluster| cluster.amount.objects) {
            cluster.amount.objects += objects;
            cluster.amount.size_bytes += size_bytes;
        }
    }

    /// The tables below this folder, which is the target's. `level` is the number of folders between the bucket and it, plus 1.
    pub(crate) fn tables(&self, combine: bool, table_level: Option<usize>, level: usize) -> Vec<Group> {
        if combine && table_level.is_none() {
            return forced(self.leaves(&mut Vec::new()), &[]);
        }
        match table_level {
            Some(wanted) => self.at_level(wanted.saturating_sub(level), &mut Vec::new()),
            None => match self.group(&mut Vec::new()) {
                Grouped::Nothing => Vec::new(),
                Grouped::One(group) => vec![group],
                Grouped::Several(groups) => groups,
            },
        }
    }

    fn at_level(&self, below: usize, path: &mut Vec<String>) -> Vec<Group> {
        if below == 0 {
            return forced(self.leaves(&mut Vec::new()), path);
        }
        let mut groups = self.file_groups(path);
        for (name, folder) in &self.folders {
            path.push(name.clone());
            groups.extend(folder.at_level(below - 1, path));
            path.pop();
        }
        groups
    }

    fn leaves(&self, path: &mut Vec<String>) -> Vec<Leaf> {
        let mut leaves: Vec<Leaf> = self
            .clusters
            .iter()
            .map(|cluster| Leaf { path: path.clone(), shape: cluster.shape.clone(), amount: cluster.amount })
            .collect();
        for (name, folder) in &self.folders {
            path.push(name.clone());
            leaves.extend(folder.leaves(path));
            path.pop();
        }
        leaves
    }

    fn file_groups(&self, path: &[String]) -> Vec<Group> {
        let group = |cluster: &Cluster, name: &String, amount: Amount| Group {
            path: path.to_vec(),
            file: Some(name.clone()),
            shape: cluster.shape.clone(),
            leaves: vec![Leaf { path: Vec::new(), shape: cluster.shape.clone(), amount }],
            amount,
        };
        let clusters = self.clusters.iter();
        clusters
            .flat_map(|cluster| cluster.names.iter().map(move |(name, amount)| group(cluster, name, *amount)))
            .collect()
    }

    fn group(&self, path: &mut Vec<String>) -> Grouped {
        let mut below = Vec::new();
        let mut several = false;
        for (name, folder) in &self.folders {
            path.push(name.clone());
            match folder.group(path) {
                Grouped::Nothing => {}
                Grouped::One(group) => below.push((name, group)),
                Grouped::Several(groups) => {
                    several = true;
                    below.extend(groups.into_iter().map(|group| (name, group)));
                }
            }
            path.pop();
        }
        let own: Vec<Leaf> = self
            .clusters
            .iter()
            .map(|cluster| Leaf { path: Vec::new(), shape: cluster.shape.clone(), amount: cluster.amount })
            .collect();
        match (own.as_slice(), below.as_slice()) {
            ([], []) => return Grouped::Nothing,
            ([], [(name, group)]) if hive_key(name).is_none() && !several => return Grouped::One(group.clone()),
            _ => {}
        }
        let first_key = below.first().and_then(|(name, _)| hive_key(name));
        let hive = first_key.is_some() && below.iter().all(|(name, _)| hive_key(name) == first_key);
        let shapes = own.iter().map(|leaf| &leaf.shape).chain(below.iter().map(|(_, group)| &group.shape));
        match (several, one_shape(shapes, hive)) {
            (false, Some(shape)) => {
                let mut group = Group { path: path.clone(), file: None, shape, leaves: own, amount: Amount::default() };
                for (_, inner) in below {
                    let between = inner.path.get(path.len()..).unwrap_or_default().to_vec();
                    group.leaves.extend(inner.leaves.into_iter().map(|mut leaf| {
                        leaf.path = [between.clone(), leaf.path].concat();
                        leaf
                    }));
                }
                for leaf in &group.leaves {
                    group.amount.add(leaf.amount);
                }
                Grouped::One(group)
            }
            _ => {
                let mut groups = self.file_groups(path);
                groups.extend(below.into_iter().map(|(_, group)| group));
                Grouped::Several(groups)
            }
        }
    }
}

enum Grouped {
    Nothing,
    One(Group),
    Several(Vec<Group>),
}

/// The shape of all, if they are alike; with `hive`, if only their format goes together.
fn one_shape<'a>(mut shapes: impl Iterator<Item = &'a Shape>, hive: bool) -> Option<Shape> {
    let mut merged = shapes.next()?.clone();
    for shape in shapes {
        if !(merged.is_similar(shape) || (hive && merged.format.goes_with(shape.format))) {
            return None;
        }
        merged = merged.merge(shape);
    }
    Some(merged)
}

/// One table for each format among the leaves, whatever their columns.
fn forced(leaves: Vec<Leaf>, path: &[String]) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for leaf in leaves {
        match groups.iter_mut().find(|group| group.shape.format.goes_with(leaf.shape.format)) {
            Some(group) => {
                group.shape = group.shape.merge(&leaf.shape);
                group.amount.add(leaf.amount);
                group.leaves.push(leaf);
            }
            None => groups.push(Group {
                path: path.to_vec(),
                file: None,
                shape: leaf.shape.clone(),
                amount: leaf.amount,
                leaves: vec![leaf],
            }),
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::classify;

    fn folder(files: &[(&str, &str)]) -> Folder {
        let mut root = Folder::default();
        for (key, text) in files {
            let mut path: Vec<String> = key.split('/').map(str::to_owned).collect();
            let name = path.pop().unwrap_or_default();
            if let Ok(schema) = classify(text.as_bytes(), true, 1 << 20) {
                root.at(&path).add(name, &schema, text.len() as u64);
            }
        }
        root
    }

    fn described(groups: &[Group]) -> Vec<String> {
        let one = |group: &Group| {
            let columns: Vec<&str> = group.shape.columns.iter().map(|column| column.name.as_str()).collect();
            let keys = group.partition_keys();
            let values: Vec<String> = if keys.is_empty() {
                Vec::new()
            } else {
                group.leaves.iter().map(|leaf| leaf.partition_values().join("/")).collect()
            };
            let place = [group.path.join("/"), group.file.clone().unwrap_or_default()].join(":");
            format!("{place} {} {} {}", columns.join(","), keys.join(","), values.join(" ")).trim_end().to_owned()
        };
        groups.iter().map(one).collect()
    }

    const A: &str = "id,name,x,y\n1,b,2,3\n";
    const B: &str = "code,text\n1,b\n";

    #[test]
    fn folders_become_tables_and_partitions() {
        let check = |files: &[(&str, &str)], expected: &[&str]| {
            assert_eq!(described(&folder(files).tables(false, None, 1)), expected, "{files:?}");
        };
        check(&[("t/a.csv", A), ("t/b.csv", A)], &["t: id,name,x,y"]);
        check(&[("t/a.csv", A), ("u/b.csv", B)], &["t: id,name,x,y", "u: code,text"]);
        check(&[("a.csv", A), ("b.csv", B)], &[":a.csv id,name,x,y", ":b.csv code,text"]);
        check(
            &[("t/year=2013/month=01/a.csv", A), ("t/year=2013/month=02/a.csv", A), ("u/a.csv", B)],
            &["t: id,name,x,y year,month 2013/01 2013/02", "u: code,text"],
        );
        check(&[("t/year=2013/a.csv", A)], &["t: id,name,x,y year 2013"]);
        check(&[("t/x/a.csv", A), ("t/y/a.csv", A)], &["t: id,name,x,y partition_0 x y"]);
        check(
            &[("t/d=/a.csv", A), ("t/d=a%2Fb/a.csv", B)],
            &["t: id,name,x,y,code,text d __HIVE_DEFAULT_PARTITION__ a/b"],
        );
        check(&[("t/a.csv", A), ("t/x/b.csv", A)], &["t: id,name,x,y"]);
        check(&[("t/x/a.csv", A), ("t/y/b.json", "{\"id\":1}\n")], &["t/x: id,name,x,y", "t/y: id"]);
        check(&[], &[]);
    }

    #[test]
    fn configurations_force_the_grouping() {
        let files = [("t/x/a.csv", A), ("t/y/b.csv", B), ("t/y/c.json", "{\"id\":1}\n")];
        let combined = folder(&files).tables(true, None, 1);
        assert_eq!(
            described(&combined),
            [": id,name,x,y,code,text partition_0,partition_1 t/x t/y", ": id partition_0,partition_1 t/y"]
        );
        let level = folder(&files).tables(false, Some(3), 1);
        assert_eq!(described(&level), ["t/x: id,name,x,y", "t/y: code,text", "t/y: id"]);
    }
}
