"""Calls a machine with nothing but Debian's python3-grpcio: the contract comes from the machine itself, by reflection.

Arguments: HOST:PORT, files of the authority, the certificate and its key, then methods: petrify.v1.NodeService/Version. Prints a line of JSON for each.
"""

import json
import sys

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

BYTES, MESSAGE = 12, 11


def minimal_reflection():
    """Of the answer to a question for a symbol: files, numbers as in grpc.reflection.v1."""
    file = descriptor_pb2.FileDescriptorProto(name="asked.proto", package="asked", syntax="proto3")
    files = file.message_type.add(name="Files")
    files.field.add(name="file", number=1, label=3, type=BYTES)
    answer = file.message_type.add(name="Answer")
    answer.field.add(name="files", number=4, label=1, type=MESSAGE, type_name=".asked.Files")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.MessageFactory(pool).GetPrototype(pool.FindMessageTypeByName("asked.Answer"))


def contract(channel, service):
    """A pool with what describes a service."""
    name = service.encode()
    ask = channel.stream_stream(
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        request_serializer=lambda request: request,
        response_deserializer=minimal_reflection().FromString,
    )
    answer = next(ask(iter([b"\x22" + bytes([len(name)]) + name])))
    pool = descriptor_pool.DescriptorPool()
    for file in reversed(answer.files.file):
        pool.AddSerializedFile(file)
    return pool


def main(address, authority, certificate, key, *methods):
    read = lambda path: open(path, "rb").read()
    credentials = grpc.ssl_channel_credentials(read(authority), read(key), read(certificate))
    with grpc.secure_channel(address, credentials) as channel:
        for method in methods:
            try:
                service, name = method.split("/")
                pool = contract(channel, service)
                described = pool.FindServiceByName(service).methods_by_name[name]
                classes = message_factory.MessageFactory(pool)
                request, response = (classes.GetPrototype(one) for one in (described.input_type, described.output_type))
                call = channel.unary_unary("/" + method, request.SerializeToString, response.FromString)
                print(json.dumps(json_format.MessageToDict(call(request(), timeout=20))), flush=True)
            except grpc.RpcError as error:
                print(json.dumps({"code": error.code().name, "details": error.details()}), flush=True)


main(*sys.argv[1:])
