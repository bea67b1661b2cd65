//! What the lab's stand-in for a node says of archipelago, as texts: the lab knows nothing of it. What becomes of them is seen
//! by the tests that run on a stand-in.

use std::path::Path;

use archipelago::catalog::Catalog;
use archipelago::config::Config;
use archipelago_lab::image::inputs::source_root;
use archipelago_lab::standin::Settings;

#[test]
fn its_service_is_where_archipelago_is_by_default() {
    let service = Settings::read().unwrap().service;
    let config = Config::default();
    assert_eq!(service.port, config.listen.port());
    let token = config.state_dir.join("secrets/rpc-token");
    assert_eq!(Path::new(&service.token), token);
}

#[test]
fn each_app_of_its_registry_is_one_of_the_catalog_with_its_volumes_and_variables() {
    let catalog = Catalog::load(Path::new("/nonexistent"));
    let apps = source_root().join("lab/image/node/apps");
    for app in std::fs::read_dir(apps).unwrap() {
        let app = app.unwrap().path();
        let read = |name: &str| std::fs::read_to_string(app.join(name)).unwrap();
        let reference = read("reference");
        let container = catalog
            .manifests()
            .flat_map(|manifest| &manifest.containers)
            .find(|container| container.image.as_deref() == Some(reference.trim()))
            .unwrap_or_else(|| panic!("no package has the image {reference}"));
        let volumes: Vec<&str> = container
            .volumes
            .iter()
            .map(|volume| volume.path.as_str())
            .collect();
        assert_eq!(read("folders").lines().collect::<Vec<_>>(), volumes);
        let program = read("app");
        for variable in container.env.keys() {
            assert!(program.contains(variable), "it does not read {variable}");
        }
    }
}
