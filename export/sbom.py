"""A bill of materials in CycloneDX: the model, its files, and every package that it was made with."""

# the library's own decorators hide the fields of its classes
# pyright: reportAttributeAccessIssue=false, reportCallIssue=false, reportArgumentType=false

import uuid
from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..core.missing import require
from ..core.types import Artifact, FileRecord

if TYPE_CHECKING:
    from cyclonedx.model.component import Component

SBOM = "sbom.cdx.json"
NAMESPACE = uuid.UUID("6d3f6d2e-5c0b-4b57-9b4e-3a5a4d0b7c11")  # of the serial numbers: one artifact has one


def sbom(artifact: Artifact, licence: str | None = None) -> str:
    """The bill of materials as CycloneDX 1.6 in JSON.

    The versions are those of the provenance: what the packages were when each step was done.

    Args:
        artifact: What it is of.
        licence: Of the weights; None where it is not known.

    Raises:
        UnavailableError: The extra `sbom` is not installed.
    """
    require("cyclonedx", "to write a bill of materials", "sbom")
    from cyclonedx.model import Property
    from cyclonedx.model.bom import Bom
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.output.json import JsonV1Dot6

    model = Component(
        name=artifact.source_ref,
        type=ComponentType.MACHINE_LEARNING_MODEL,
        version=artifact.sha256[:12],
        bom_ref="model",
        licenses=_licences(licence),
        description=f"{artifact.format}, {artifact.precision}",
        properties=[
            Property(name=f"reszoo:step:{number}:{step.name}", value=f"input sha256 {step.input_sha256}")
            for number, step in enumerate(artifact.provenance)
        ],
        components=[_file(file) for file in artifact.files],
    )
    bom = Bom(serial_number=uuid.uuid5(NAMESPACE, artifact.sha256), components=_packages(artifact))
    bom.metadata.component = model
    bom.register_dependency(model, list(bom.components))
    text: str = JsonV1Dot6(bom).output_as_string(indent=2)
    return text + "\n"


def _licences(licence: str | None) -> "list[object]":
    from cyclonedx.contrib.license.factories import LicenseFactory

    return [LicenseFactory().make_from_string(licence)] if licence and licence != "unknown" else []


def _file(file: FileRecord) -> "Component":
    from cyclonedx.model import HashAlgorithm, HashType
    from cyclonedx.model.component import Component, ComponentType

    digest = HashType(alg=HashAlgorithm.SHA_256, content=file.sha256)
    return Component(name=file.name, type=ComponentType.FILE, hashes=[digest])


def _packages(artifact: Artifact) -> "Iterable[Component]":
    """Each version of each package once, however many steps it took part in."""
    from cyclonedx.model.component import Component, ComponentType
    from packageurl import PackageURL

    used = sorted({pair for step in artifact.provenance for pair in step.versions.items()})
    return [
        Component(
            name=name,
            version=version,
            type=ComponentType.LIBRARY,
            bom_ref=f"{name}@{version}",
            purl=PackageURL(type="pypi", name=name, version=version),
        )
        for name, version in used
    ]
