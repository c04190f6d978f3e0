"""What trains and judges: the pipeline definition, its steps, and the user's own model code.

These functions are what a Pulumi program needs of it. They never import the SageMaker SDK:

- `compile_definition` gives the pipeline definition as JSON;
- `bundle` packs the code that the jobs run;
- `default_image` names SageMaker's scikit-learn image in a region.
"""

from ._bundle import Bundle, bundle
from ._compiled import DefinitionError, compile_definition
from ._image import default_image

__all__ = ["Bundle", "DefinitionError", "bundle", "compile_definition", "default_image"]
