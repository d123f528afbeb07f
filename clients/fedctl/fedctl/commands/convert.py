import json

import click

from fedctl.context import Context, pass_context
from fedctl.failures import Exit, UsageFailure
from fedctl.files.plan import refuse
from fedctl.files.source import read_documents
from fedctl.kubefed.documents import convert as converted
from fedctl.options import namespace_option, output_as, recursive_option
from fedctl.output.printing import to_yaml

_EXAMPLES = """\b
Examples:
  fedctl convert -f kubefed/ -R > fedsvc.yaml          look at what it says, and at the file
  fedctl convert -f rsp.yaml                           a ReplicaSchedulingPreference alone: a placement policy
  fedctl convert -f kubefed/ --adopt | fedctl apply -f - --dry-run
  kubectl get federateddeployments,federatednamespaces,replicaschedulingpreferences -A -o yaml | fedctl convert -f -

\b
Nothing is asked of any server. With its FederatedNamespace an object is placed where both are; with its
ReplicaSchedulingPreference its replicas are divided. What is left out is told on standard error as a warning, what is
done otherwise than by KubeFed as a note.

\b
Exit codes: 0 all of it is in the documents, 1 something is left out, or cannot be read.
"""


@click.command(epilog=_EXAMPLES)
@click.option("-f", "--filename", "files", multiple=True, metavar="FILE|DIR|-", help="What to convert; can be repeated")
@recursive_option
@namespace_option
@click.option("--adopt", "adopts", is_flag=True, help="Let the units take over what KubeFed made in the clusters")
@output_as("yaml", "json")
@pass_context
def convert(
    context: Context, *, files: tuple[str, ...], recursive: bool, namespace: str, adopts: bool, output: str
) -> None:
    """Print KubeFed's objects as documents of fedsvc.

    Federated objects become units, with placement and overrides; -n is for those that are in no namespace. A
    ReplicaSchedulingPreference becomes the replicas of its target's placement.
    """
    if not files:
        raise UsageFailure("say what to convert: -f FILE, -f DIR or -f -")
    found = converted(read_documents(files, recursive=recursive), namespace=namespace, adopts=adopts)
    refuse(found.problems)
    if output == "json":
        value = {"apiVersion": "v1", "kind": "List", "items": found.documents}
        click.echo(json.dumps(value, indent=2, ensure_ascii=False))
    else:
        click.echo("---\n".join(to_yaml(document) for document in found.documents), nl=False)
    for remark in found.remarks:
        context.note(f"note: {remark}")
    for lost in found.lost:
        context.warn(lost)
    if found.lost:
        click.get_current_context().exit(int(Exit.FAILED))
