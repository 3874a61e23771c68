"""The notations by name."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from paddock.advisor.export import boto3_script, cdk, cloudformation, sam, serverless, terraform
from paddock.advisor.export.proposal import Proposal


class Notation(StrEnum):
    SAM = "sam"
    CLOUDFORMATION = "cloudformation"
    CDK = "cdk"
    TERRAFORM = "terraform"
    SERVERLESS = "serverless"
    BOTO3 = "boto3"


RENDERERS: dict[Notation, Callable[[Proposal], str]] = {
    Notation.SAM: sam.render,
    Notation.CLOUDFORMATION: cloudformation.render,
    Notation.CDK: cdk.render,
    Notation.TERRAFORM: terraform.render,
    Notation.SERVERLESS: serverless.render,
    Notation.BOTO3: boto3_script.render,
}
