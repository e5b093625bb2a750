"""Calls a service with KServe's REST client, in KServe's own environment; prints what came back as JSON.

Arguments: the service's URL, an API key, and a file with an array of float32 [1, 1, 28, 28].
"""

import asyncio
import json
import sys

import httpx
import numpy as np
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig


async def infer(client, url, headers, model, tensor, binary):
    """Return the name, the shape and the values of the only output."""
    tensor.set_data_from_numpy(np.load(sys.argv[3]), binary_data=binary)
    request = InferRequest(model, [tensor], request_id="17", parameters={"binary_data_output": binary})
    reply = await client.infer(url, request, headers=headers, model_name=model)
    (output,) = reply.outputs
    return [reply.model_name, reply.id, output.name, list(output.shape), output.as_numpy().ravel().tolist()]


async def main(url, token):
    """Call every method of the client that the protocol has."""
    client = InferenceRESTClient(RESTConfig(protocol="v2", retries=1, timeout=30))
    headers = {"Authorization": f"Bearer {token}"}
    seen = {
        "live": await client.is_server_live(url),
        "ready": await client.is_server_ready(url),
        "model ready": await client.is_model_ready(url, "digits-cnn", headers=headers),
    }
    for binary in (True, False):
        tensor = InferInput("image", [1, 1, 28, 28], "FP32")
        seen[f"binary {binary}"] = await infer(client, url, dict(headers), "digits-cnn", tensor, binary)
    for name, model, fields in (("stranger", "digits-cnn", {}), ("no model", "none", headers)):
        try:
            await infer(client, url, dict(fields), model, InferInput("image", [1, 1, 28, 28], "FP32"), binary=True)
        except httpx.HTTPStatusError as error:
            seen[name] = [error.response.status_code, list(error.response.json())]
    await client.close()
    print(json.dumps(seen))


asyncio.run(main(*sys.argv[1:3]))
