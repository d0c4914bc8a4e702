"""The studies that come with sunetlab, one TOML file per question. Installed as `sunetlab.studies`."""
